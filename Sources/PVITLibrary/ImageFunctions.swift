import CPVIT
import PVITModel
import Storage
import Vision

/// `pvit_image_from_file`, which pvit.h describes.
@c @implementation
public func pvit_image_from_file(
    _ model: OpaquePointer?, _ path: UnsafePointer<CChar>?, _ image: UnsafeMutablePointer<OpaquePointer?>?,
    _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> pvit_status {
    perform(image, error) {
        let model = try object(model, ModelObject.self)
        let path = try PVITLibrary.path(path, "the path")
        return ImageObject(try model.use { try $0.model.image(contentsOf: path) }, for: model)
    }
}

/// `pvit_image_from_bytes`, which pvit.h describes.
@c @implementation
public func pvit_image_from_bytes(
    _ model: OpaquePointer?, _ bytes: UnsafeRawPointer?, _ length: Int,
    _ image: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> pvit_status {
    perform(image, error) {
        let model = try object(model, ModelObject.self)
        let bytes = Array(try buffer(bytes?.assumingMemoryBound(to: UInt8.self), length, "the image"))
        return ImageObject(try model.use { try $0.model.prompts.image(ImageFile(bytes: bytes)) }, for: model)
    }
}

/// `pvit_image_from_rgb`, which pvit.h describes.
@c @implementation
public func pvit_image_from_rgb(
    _ model: OpaquePointer?, _ pixels: UnsafePointer<UInt8>?, _ width: Int, _ height: Int, _ stride: Int,
    _ image: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> pvit_status {
    perform(image, error) {
        let model = try object(model, ModelObject.self)
        let size = PixelSize(width: width, height: height)
        try size.checkLimits()
        guard let pixels else { throw missing("the pixels") }
        // The limits of images keep the products small.
        guard stride >= 3 * width, stride <= 1 << 40 else {
            throw PVITError(
                .argument, "rows of \(width) pixels cannot be \(UInt(bitPattern: stride)) bytes apart",
                remedy: "a row takes 3 bytes for each pixel")
        }
        var samples: [UInt8] = []
        samples.reserveCapacity(3 * width * height)
        for row in 0..<height {
            samples.append(contentsOf: UnsafeBufferPointer(start: pixels + row * stride, count: 3 * width))
        }
        let original = try PixelImage(size: size, pixels: samples)
        return ImageObject(try model.use { try $0.model.prompts.image(original) }, for: model)
    }
}

/// `pvit_image_width`, which pvit.h describes.
@c @implementation
public func pvit_image_width(_ image: OpaquePointer?) -> Int {
    HandleTable.current.find(image, ImageObject.self)?.image.size.width ?? 0
}

/// `pvit_image_height`, which pvit.h describes.
@c @implementation
public func pvit_image_height(_ image: OpaquePointer?) -> Int {
    HandleTable.current.find(image, ImageObject.self)?.image.size.height ?? 0
}

/// `pvit_image_free`, which pvit.h describes.
@c @implementation
public func pvit_image_free(_ image: OpaquePointer?) { HandleTable.current.remove(image, ImageObject.self) }
