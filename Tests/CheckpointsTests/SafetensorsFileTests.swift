import Checkpoints
import CheckpointTestSupport
import Storage
import SystemPackage
import Tensors
import TestSupport
import Testing

@Suite("Safetensors files")
struct SafetensorsFileTests {
    @Test("a file that breaks a rule is refused with that rule's code", arguments: malformedFiles)
    func malformed(file: MalformedFile) throws {
        try expectRefusal(of: file, named: "model.safetensors") { try SafetensorsFile(path: $0) }
    }

    @Test("the reference implementation refuses the same files, except where it is known to be laxer", .needsPython)
    func referenceAgreesOnMalformed() throws {
        let folder = try TemporaryFolder()
        for (place, file) in malformedFiles.enumerated() { try folder.write("\(place)", file.bytes) }
        let accepted = try Python.run(
            """
            import sys, safetensors
            for i in range(int(sys.argv[2])):
                try:
                    with safetensors.safe_open(f"{sys.argv[1]}/{i}", "np") as f: f.keys()
                    print(i)
                except Exception: pass
            """, folder.path.string, String(malformedFiles.count))
        let names = accepted.split(separator: "\n").compactMap { Int($0).map { malformedFiles[$0].name } }
        #expect(Set(names) == Set(malformedFiles.filter(\.isAcceptedElsewhere).map(\.name)))
    }

    @Test("a file cut at any length is refused")
    func cuts() throws {
        let folder = try TemporaryFolder()
        let whole = safetensorsBytes(
            header: #"{"__metadata__":{"format":"pt"},"a":{"dtype":"F16","shape":[3,2],"data_offsets":[0,12]}}  "#,
            data: Array(0..<12))
        #expect(try SafetensorsFile(path: folder.write("whole", whole)).tensors.count == 1)
        try expectRefusals(of: whole, cutTo: 0..<whole.count) { try SafetensorsFile(path: $0) }
    }

    @Test("empty files of tensors, empty tensors, scalars, odd names and padding are fine")
    func unusual() throws {
        let folder = try TemporaryFolder()
        let none = try SafetensorsFile(path: folder.write("none", safetensorsBytes(header: "{}", data: [])))
        #expect(none.tensors.isEmpty)
        let header = #"""
            {"é\n":{"dtype":"U8","shape":[0,5],"data_offsets":[4,4]},"":{"shape":[],"data_offsets":[0,4],"dtype":"F32"},
            "z":{"dtype":"BOOL","shape":[1],"data_offsets":[4,5],"extra":[1]}}
            """#
        let file = try SafetensorsFile(
            path: folder.write("odd", safetensorsBytes(header: header + "\n \t", data: [0, 0, 0x80, 0x3F, 1])))
        #expect(file.tensors.map(\.name) == ["", "é\n", "z"])
        #expect(try file.bytes(ofRows: 0..<1, of: file.tensors[0]) == [0, 0, 0x80, 0x3F])
        #expect(try file.bytes(ofRows: 0..<0, of: file.tensors[1]).isEmpty)
    }

    @Test("rows outside the tensor, a wrong destination and a tensor of another file are refused")
    func wrongRequests() throws {
        let folder = try TemporaryFolder()
        let file = try SafetensorsFile(
            path: folder.write(
                "a",
                safetensorsBytes(
                    header: #"{"a":{"dtype":"U8","shape":[2,3],"data_offsets":[0,6]}}"#, data: [1, 2, 3, 4, 5, 6])))
        let tensor = file.tensors[0]
        #expect(try file.bytes(ofRows: 1..<2, of: tensor) == [4, 5, 6])
        #expect(throws: PVITError.self) { try file.bytes(ofRows: 1..<3, of: tensor) }
        let other = try TensorDescription(name: "a", elementType: .u8, shape: #require(Shape([3, 3])))
        #expect(throws: PVITError.self) { try file.bytes(ofRows: 0..<1, of: other) }
        var small: [UInt8] = [0]
        #expect(throws: PVITError.self) {
            var span = small.mutableSpan
            var bytes = span.mutableBytes
            try file.readRows(0..<1, of: tensor, into: &bytes)
        }
    }

    @Test("a Git LFS pointer and a web page are recognised")
    func placeholders() throws {
        let folder = try TemporaryFolder()
        let pointer = try folder.write(
            "model.safetensors",
            "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32\nsize 12345\n"
        )
        let error = try #require(throws: PVITError.self) { try SafetensorsFile(path: pointer) }
        #expect(error.code == .lfsPointer)
        #expect("\(error)".contains("git lfs pull"))
        let page = try folder.write("page.safetensors", "<!DOCTYPE html><html>401 unauthorized</html>")
        #expect(try #require(throws: PVITError.self) { try SafetensorsFile(path: page) }.code == .webPage)
    }

    @Test("a header with a hundred thousand tensors is read", .slow)
    func manyTensors() throws {
        let count = 100_000
        var header = "{"
        for place in 0..<count {
            header += "\"model.layers.\(place).weight\":{\"dtype\":\"U8\",\"shape\":[1],"
            header += "\"data_offsets\":[\(place),\(place + 1)]}" + (place + 1 < count ? "," : "}")
        }
        let folder = try TemporaryFolder()
        let path = try folder.write(
            "many", safetensorsBytes(header: header, data: [UInt8](repeating: 7, count: count)))
        let file = try SafetensorsFile(path: path)
        #expect(file.tensors.count == count)
        #expect(file.tensors.last?.name == "model.layers.99999.weight")
    }
}
