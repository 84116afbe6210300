import CheckpointTestSupport
import Storage
import SystemPackage
import Tensors
import Testing

/// A file that breaks one rule of its format.
protocol BrokenRule: Sendable, CustomTestStringConvertible {
    /// What is wrong with it.
    var name: String { get }
    var bytes: [UInt8] { get }
    /// The code of the error that says so.
    var code: String { get }
    /// The tensor that the error must name.
    var tensor: TensorName? { get }
}

extension BrokenRule {
    var testDescription: String { name }
}

/// Writes a malformed file and expects that `open` refuses it, with an error that names the rule, the file and the
/// tensor.
@discardableResult
func expectRefusal<File>(
    of file: some BrokenRule, named name: String, by open: (FilePath) throws -> File
) throws -> PVITError {
    let folder = try TemporaryFolder()
    let path = try folder.write(name, file.bytes)
    let error = try #require(throws: PVITError.self) { try open(path) }
    #expect(error.code.name == file.code, "\(error)")
    #expect(error.code.category == .badData)
    #expect(error.file == path.string)
    if let tensor = file.tensor { #expect(error.tensor == tensor, "\(error)") }
    return error
}

/// Writes the beginning of a file and expects that `open` refuses it as bad data, for each of some lengths.
func expectRefusals<File>(
    of bytes: [UInt8], cutTo lengths: some Sequence<Int>, by open: (FilePath) throws -> File
) throws {
    let folder = try TemporaryFolder()
    for length in lengths {
        let path = try folder.write("cut", Array(bytes.prefix(length)))
        let error = try #require(throws: PVITError.self, "cut at \(length)") { try open(path) }
        #expect(error.code.category == .badData)
    }
}
