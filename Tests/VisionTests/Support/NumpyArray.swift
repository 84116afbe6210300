import CheckpointTestSupport
import SystemPackage
import Vision

extension NumpyArray {
    /// Reads `path` among the fixtures, without `.npy`.
    init(fixture path: String) throws { try self.init(Fixtures.path("\(path).npy")) }

    /// The image of an array `[height, width, 3]` of bytes.
    func image() throws -> PixelImage {
        try PixelImage(size: PixelSize(width: shape[1], height: shape[0]), pixels: values.map { UInt8($0) })
    }
}
