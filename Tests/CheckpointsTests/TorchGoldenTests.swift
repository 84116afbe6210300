import Checkpoints
import CheckpointTestSupport
import Foundation
import Storage
import SystemPackage
import Tensors
import Testing

/// Files that torch 1.13 and 2.13 wrote, and the values that it reads from them (`Fixtures/torch_format`).
@Suite("PyTorch files written by torch")
struct TorchGoldenTests {
    private func expected() throws -> JSONValue { try JSONValue(parsing: contents(of: torchFixture("expected.json"))) }

    /// The elements of a tensor as numbers.
    private func values(_ tensor: TensorDescription, of file: TorchFile) throws -> [Double] {
        let bytes = try file.bytes(ofRows: 0..<tensor.shape.rows, of: tensor)
        let width = tensor.elementType.byteCount
        return stride(from: 0, to: bytes.count, by: width).map { place in
            let bits = bytes[place..<place + width].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            return switch tensor.elementType {
            case .f64: Double(bitPattern: bits)
            case .f32: Double(Float(bitPattern: UInt32(bits)))
            case .f16: Double(Float16(bitPattern: UInt16(bits)))
            case .bf16: Double(Float(bitPattern: UInt32(bits) << 16))
            case .i64: Double(Int64(bitPattern: bits))
            case .i32: Double(Int32(bitPattern: UInt32(bits)))
            case .i16: Double(Int16(bitPattern: UInt16(bits)))
            case .i8: Double(Int8(bitPattern: UInt8(bits)))
            case .u8, .bool: Double(bits)
            }
        }
    }

    private func numbers(_ value: JSONValue?) -> [Double]? {
        value?.array?.compactMap { $0.double ?? $0.bool.map { $0 ? 1 : 0 } }
    }

    @Test(
        "every tensor of every type and layout has torch's values",
        arguments: [
            "zip_torch1.13.bin", "zip_torch2.bin", "zip_plain_dict.pth", "legacy_pickle.bin", "nested_checkpoint.pth",
        ])
    func allKinds(name: String) throws {
        let file = try TorchFile(path: torchFixture(name))
        let tensors = try #require(try expected()["tensors"]?.object)
        #expect(Set(file.tensors.map(\.name.rawValue)) == Set(tensors.members.map(\.key)))
        let types = ["float16": "f16", "float32": "f32", "bfloat16": "bf16", "float64": "f64", "int64": "i64"]
        for tensor in file.tensors {
            let entry = try #require(tensors[tensor.name.rawValue])
            let dtype = try #require(entry["dtype"]?.string)
            let type = types[dtype] ?? ["int32": "i32", "uint8": "u8", "bool": "bool"][dtype]
            #expect(tensor.elementType.rawValue == type)
            #expect(tensor.shape.dimensions == entry["shape"]?.array?.compactMap(\.integer))
            let ours = try values(tensor, of: file)
            #expect(ours == numbers(entry["values"]), "\(tensor.name)")
            // The same row by row, copied and lent.
            let width = tensor.shape.elementsPerRow
            let whole = try file.bytes(ofRows: 0..<tensor.shape.rows, of: tensor)
            var scratch: [UInt8] = []
            for row in 0..<tensor.shape.rows where width > 0 {
                let expected = Array(whole[row * tensor.bytesPerRow..<(row + 1) * tensor.bytesPerRow])
                #expect(try file.bytes(ofRows: row..<row + 1, of: tensor) == expected)
                let lent = try file.withRows(row..<row + 1, of: tensor, scratch: &scratch) { bytes in
                    bytes.withUnsafeBytes { Array($0) }
                }
                #expect(lent == expected)
            }
            #expect(throws: PVITError.self) {
                try file.withRows(0..<tensor.shape.rows + 1, of: tensor, scratch: &scratch) { _ in }
            }
        }
        try verify(file)
        #expect(file.skippedTensorCount == (name == "nested_checkpoint.pth" ? 1 : 0))
    }

    @Test("the state dictionary of a module, with its attributes, and one of parameters are read")
    func modules() throws {
        let golden = try expected()
        let module = try TorchFile(path: torchFixture("module_state_dict.bin"))
        #expect(module.tensors.map(\.name) == ["weight", "bias"])
        for tensor in module.tensors {
            let entry = golden["module_state_dict.bin"]?[tensor.name.rawValue]
            #expect(tensor.shape.dimensions == entry?["shape"]?.array?.compactMap(\.integer))
            #expect(try values(tensor, of: module) == numbers(entry?["values"]))
        }
        let parameters = try TorchFile(path: torchFixture("parameters.bin"))
        #expect(parameters.tensors.map(\.name) == ["p", "q"])
        for tensor in parameters.tensors {
            #expect(
                try values(tensor, of: parameters) == numbers(golden["parameters.bin"]?[tensor.name.rawValue]))
        }
    }

    @Test("a damaged storage is found when the file is verified, not when it is opened; the error names its tensor")
    func verification() throws {
        let folder = try TemporaryFolder()
        var bytes = try contents(of: torchFixture("zip_torch2.bin"))
        let file = try TorchFile(path: torchFixture("zip_torch2.bin"))
        let big = try #require(file.tensor(named: "big"))
        let content = try file.bytes(ofRows: 0..<6, of: big)
        let place = try #require(bytes.indices.first { bytes[$0...].starts(with: content) })
        bytes[place + 50] ^= 1
        let damaged = try TorchFile(path: folder.write("damaged.bin", bytes))
        let error = try #require(throws: PVITError.self) { try verify(damaged) }
        #expect(error.code == .torchChecksum)
        #expect(error.file == damaged.path.string)
        #expect(error.tensor == "big" || error.tensor == "view_of_big")
        #expect(error.bytes?.contains(UInt64(place + 50)) == true)
        #expect("\(error)".contains("data/8"))
    }
}

/// A file of `Fixtures/torch_format`.
func torchFixture(_ name: String) throws -> FilePath {
    let url = try #require(Bundle.module.url(forResource: "Fixtures/torch_format", withExtension: nil))
    return FilePath(url.path).appending(name)
}
