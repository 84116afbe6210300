import Checkpoints
import Container
import Conversion
import CPVIT
import Platform
import Storage
import SystemPackage
import Tensors

/// The tensors of a file. Any number of threads may read them at once.
final class TensorsObject: HandleObject, Sendable {
    static let kind = "file with tensors"
    let tensors: [TensorDescription]
    private let container: Container?
    private let source: any TensorSource
    private let original: any TensorSource

    init(opening path: FilePath) throws {
        if !isFolder(path), let container = try Self.container(path) {
            self.container = container
            original = try ContainerSource(container)
        } else {
            container = nil
            original = try CheckpointSource.open(path).weights
        }
        source = try ConvertedSource(original, as: .f32)
        tensors = source.tensors
    }

    private static func container(_ path: FilePath) throws -> Container? {
        do { return try Container(opening: path) } catch let error as PVITError where error.code == .notAContainer {
            return nil
        }
    }

    var json: JSONValue {
        get throws {
            .array(
                try zip(tensors, original.tensors).map { tensor, original in
                    let stored = try container?.tensor(named: tensor.name)
                    var object: JSONObject = [
                        "name": .string(tensor.name.rawValue),
                        "encoding": .string(stored?.encoding.description ?? original.elementType.rawValue),
                        "shape": .array(tensor.shape.dimensions.map(JSONValue.integer)),
                        "type": .string(tensor.elementType.rawValue),
                    ]
                    if let container, let stored, let range = try container.plainRange(of: stored) {
                        object["mapped_type"] = .string(original.elementType.rawValue)
                        object["offset"] = .integer(Int(clamping: range.lowerBound))
                        object["length"] = .integer(range.count)
                    }
                    return .object(object)
                })
        }
    }

    /// The numbers of a tensor.
    ///
    /// - Throws: `tensor.not-found`, `tensor.mismatch` for tensors of whole numbers, and the errors of reading.
    func read(_ name: TensorName, _ watch: CallWatch) throws -> ArrayObject {
        guard let tensor = source.tensor(named: name) else {
            throw PVITError(.tensorNotFound, "there is no tensor of this name", tensor: name)
        }
        guard tensor.elementType == .f32 else {
            throw PVITError(
                .tensorMismatch, "a tensor of \(tensor.elementType) cannot be read as float32", tensor: name)
        }
        let result = try ArrayObject(type: PVIT_FLOAT32, shape: tensor.shape.dimensions)
        // About a megabyte at a time, so that a call can be ended.
        let step = max((1 << 20) / max(tensor.bytesPerRow, 1), 1)
        for start in stride(from: 0, to: tensor.shape.rows, by: step) {
            try watch.check()
            let rows = start..<min(start + step, tensor.shape.rows)
            let bytes = try source.bytes(ofRows: rows, of: tensor)
            bytes.withUnsafeBytes { result.fill($0, at: start * tensor.bytesPerRow) }
        }
        return result
    }
}

/// `pvit_tensors_open`, which pvit.h describes.
@c @implementation
public func pvit_tensors_open(
    _ path: UnsafePointer<CChar>?, _ tensors: UnsafeMutablePointer<OpaquePointer?>?,
    _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> pvit_status {
    perform(tensors, error) { try TensorsObject(opening: PVITLibrary.path(path, "the path")) }
}

/// `pvit_tensors_list`, which pvit.h describes.
@c @implementation
public func pvit_tensors_list(
    _ tensors: OpaquePointer?, _ json: UnsafeMutablePointer<OpaquePointer?>?,
    _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> pvit_status {
    perform(json, error) { TextObject(try object(tensors, TensorsObject.self).json) }
}

/// `pvit_tensors_read`, which pvit.h describes.
@c @implementation
public func pvit_tensors_read(
    _ tensors: OpaquePointer?, _ name: UnsafePointer<CChar>?, _ abort: pvit_abort_callback?,
    _ context: UnsafeMutableRawPointer?, _ array: UnsafeMutablePointer<OpaquePointer?>?,
    _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> pvit_status {
    perform(array, error) {
        try object(tensors, TensorsObject.self).read(
            TensorName(text(name, "the name")), CallWatch(abort: abort, context: context))
    }
}

/// `pvit_tensors_close`, which pvit.h describes.
@c @implementation
public func pvit_tensors_close(_ tensors: OpaquePointer?) {
    HandleTable.current.remove(tensors, TensorsObject.self)
}
