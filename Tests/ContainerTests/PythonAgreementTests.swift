import CKernels
import Container
import Foundation
import Storage
import SystemPackage
import Tensors
import TestSupport
import Testing

/// `tools/pvq.py`, which was written from the specification alone.
private enum ReferenceReader {
    /// The output of `pvq.py`, and its exit status.
    static func run(_ arguments: [String]) throws -> (output: Data, errors: String, status: Int32) {
        let script = FilePath(#filePath).removingLastComponent().removingLastComponent().removingLastComponent()
            .appending("tools").appending("pvq.py")
        return try Python.launch([script.string] + arguments)
    }
}

/// Compares the Swift reader with the reference reader.
@Suite(
    .slow, .needsPython)
struct PythonAgreementTests {
    /// Compares every number of the index, and every byte of every tensor.
    private static func compare(_ path: FilePath) throws {
        let container = try Container(opening: path)
        let digest = try container.verify()
        let verified = try ReferenceReader.run(["verify", path.string])
        #expect(String(decoding: verified.output, as: UTF8.self) == "\(digest)  \(path)\n", "\(verified.errors)")

        let metadata = try ReferenceReader.run(["metadata", path.string])
        #expect(try JSONValue(parsing: Array(metadata.output)).object == container.metadata)

        let listed = try JSONValue(parsing: Array(ReferenceReader.run(["list", "--json", path.string]).output))
        let tensors = try #require(listed["tensors"]?.array)
        #expect(tensors.count == container.tensorCount)

        let folder = try TemporaryFolder()
        let dumped = try ReferenceReader.run(["dump", path.string, "--decoded", "--output", folder.path.string])
        #expect(dumped.status == 0, "\(dumped.errors)")
        for (number, expected) in tensors.enumerated() {
            let tensor = try container.tensor(at: number)
            #expect(tensor.name.rawValue == expected["name"]?.string)
            #expect(tensor.encoding.description == expected["encoding"]?.string)
            #expect(tensor.shape.dimensions == expected["shape"]?.array?.compactMap(\.integer))
            #expect(tensor.rowsPerTile == expected["rows_per_tile"]?.integer)
            #expect(Int(tensor.storedRange.lowerBound) == expected["offset"]?.integer)
            #expect(tensor.storedByteCount == expected["stored_size"]?.integer)
            #expect(tensor.decodedByteCount == expected["decoded_size"]?.integer)
            #expect(tensor.aliasOf?.rawValue == expected["alias_of"]?.string)
            #expect(tensor.contentDigest.description == expected["digest"]?.string)
            let statistics = expected["statistics"]?.array?.compactMap(\.double)
            #expect(
                tensor.statistics.map { [$0.squaredError, $0.maximumError, $0.squaredSum, Double($0.count)] }
                    == statistics)
            #expect(expected["tiles"]?.array?.count == tensor.tileCount)
            for (index, record) in (expected["tiles"]?.array ?? []).enumerated() {
                let tile = try container.tile(index, of: tensor)
                #expect(record.array?[1].double == Double(tile.scale))
                #expect(record.array?[2].integer == Int(tile.storedRange.lowerBound))
                #expect(record.array?[3].integer == tile.storedRange.count)
            }
            let name = tensor.name.rawValue.addingPercentEncoding(withAllowedCharacters: .urlPathAllowed)
            let bytes = try contents(of: folder.path.appending(name ?? ""))
            let isEqual = try container.content(of: tensor) == bytes
            #expect(isEqual, "\(tensor.name)")
        }
    }

    @Test("both readers agree on the vectors", arguments: VectorTests.good)
    func vectorFiles(name: String) throws {
        try Self.compare(vectors.appending(name + ".pvq"))
    }

    @Test("the reference reader decodes this writer's packed delta with its base, and refuses another base")
    func packedDelta() throws {
        let folder = try TemporaryFolder()
        let (path, base, other) = (
            folder.path.appending("a.pvq"), folder.path.appending("b.pvq"), folder.path.appending("c.pvq")
        )
        var file = PackedDeltaFile(seed: 3)
        let contents = try file.write(to: path, base: base, otherBase: other)
        let verified = try ReferenceReader.run(["verify", path.string, "--base", base.string])
        #expect(verified.status == 0, "\(verified.errors)")
        let dumped = try ReferenceReader.run([
            "dump", path.string, "--decoded", "--base", base.string, "--output", folder.path.string,
        ])
        #expect(dumped.status == 0, "\(dumped.errors)")
        for (name, content) in contents {
            let isEqual = try ContainerTests.contents(of: folder.path.appending(name)) == content
            #expect(isEqual, "\(name)")
        }
        let refused = try ReferenceReader.run(["verify", path.string, "--base", other.string])
        #expect(refused.status == 65 && refused.errors.contains("container.other-base"), "\(refused.errors)")
    }

    @Test("both readers agree on files by this writer, in every encoding and codec")
    func writtenFiles() throws {
        let folder = try TemporaryFolder()
        let path = folder.path.appending("a.pvq")
        for (compression, rowsPerTile) in [(Compression.none, 16), (.zstd, 48), (.zstd(level: 19), nil)] {
            var writer = try ContainerWriter(path: path)
            let weights = bell(96 * 64)
            let shape = try #require(Shape([96, 64]))
            for type in ElementType.allCases {
                let content =
                    switch type {
                    case .f64: bytes(weights)
                    case .f32: bytes(weights.map { Float($0) })
                    case .f16: bytes(weights.map { Float16($0) })
                    case .bf16: bytes(weights.map { UInt16(Float($0).bitPattern >> 16) })
                    case .i64: bytes((0..<96 * 64).map { Int64($0 / 7 - 300) })
                    case .i32: bytes((0..<96 * 64).map { Int32($0 / 7 - 300) })
                    case .i16: bytes((0..<96 * 64).map { Int16($0 / 7 - 300) })
                    case .i8, .u8: noise(96 * 64)
                    case .bool: noise(96 * 64).map { $0 & 1 }
                    }
                try writer.write(
                    TensorName("plain.\(type)"), content, encoding: .plain(type), shape: shape,
                    compression: compression, rowsPerTile: rowsPerTile)
            }
            for encoding in [TensorEncoding.q8, .q4] {
                for (rows, columns) in [(96, 64), (41, 160)] {
                    let size = try #require(encoding.byteCount(rows: rows, columns: columns))
                    try writer.write(
                        TensorName("\(encoding).\(columns)"),
                        noise(size / 2) + [UInt8](repeating: 3, count: size - size / 2),
                        encoding: encoding, shape: #require(Shape([rows, columns])), compression: compression,
                        rowsPerTile: rowsPerTile.map { min($0, (rows + 15) / 16 * 16) },
                        scale: { Float($0 + 1) / 8 },
                        statistics: ErrorStatistics(squaredError: 0.1, maximumError: 0.2, squaredSum: 3, count: 4))
                }
            }
            try writer.addAlias("tied", of: "plain.f16")
            try writer.addAttachment("tokenizer.model", bytes: noise(1000) + [UInt8](repeating: 1, count: 1000))
            _ = try writer.finish(metadata: ["model.config": ["text": .string(String(repeating: "é\n", count: 50))]])
            try Self.compare(path)
        }
    }

    @Test("both readers report the same error for bad files")
    func badFiles() throws {
        let listing = try readJSON(vectors.appending("bad").appending("index.json")).members
        let paths = listing.map { vectors.appending("bad").appending($0.key + ".pvq").string }
        let result = try ReferenceReader.run(["verify"] + paths)
        #expect(result.status == 65)
        #expect(result.output.isEmpty)
        let lines = result.errors.split(separator: "\n")
        #expect(lines.count == listing.count)
        for (member, (path, line)) in zip(listing, zip(paths, lines)) {
            #expect(line.hasPrefix("\(path): \(member.value["code"]?.string ?? "?"): "), "\(line)")
        }
    }

    /// A folder with the weights of the quantized vectors as the reference reader decodes them.
    private func quantizedWeights() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        let path = vectors.appending("quantized.pvq")
        try #require(try ReferenceReader.run(["dump", path.string, "--output", folder.path.string]).status == 0)
        return folder
    }

    @Test("the reference reader decodes q4 and q8 to the weights of their codes")
    func weights() throws {
        let folder = try quantizedWeights()
        let expected = try #require(try readJSON(vectors.appending("good.json"))["quantized"]?["tensors"]?.object)
        for member in expected.members {
            guard let digest = member.value["float32_sha256"]?.string else { continue }
            let array = try contents(of: folder.path.appending(member.key + ".npy"))
            let header = 10 + Int(array[8]) + Int(array[9]) << 8
            #expect(sha256(Array(array[header...])) == digest, "\(member.key)")
        }
    }

    @Test("the reference reader and the kernels decode q4 and q8 to the same weights, bit for bit")
    func kernelWeights() throws {
        let folder = try quantizedWeights()
        let kernels = try #require(pvit_kernels_for(PVIT_ISA_SCALAR)).pointee
        let container = try Container(opening: vectors.appending("quantized.pvq"))
        for tensor in try container.tensors() {
            let columns = tensor.shape.elementsPerRow
            let groupSize = try #require(tensor.encoding.bytesPerGroup(columns: columns))
            let decodeRow = try #require(tensor.encoding == .q4 ? kernels.row_q4 : kernels.row_q8)
            var weights: [Float] = []
            for number in 0..<tensor.tileCount {
                try container.withTile(number, of: tensor, scratch: TileScratch()) { content, tile in
                    content.withUnsafeBytes { content in
                        for row in 0..<tile.rows.count {
                            var result = [Float](repeating: .nan, count: columns)
                            let group = content.baseAddress?.advanced(by: row / 16 * groupSize)
                            decodeRow(
                                group?.assumingMemoryBound(to: UInt8.self), row % 16, columns, tile.scale, &result)
                            weights += result
                        }
                    }
                }
            }
            let array = try contents(of: folder.path.appending(tensor.name.rawValue + ".npy"))
            let isEqual = Array(array.suffix(weights.count * 4)) == bytes(weights)
            #expect(isEqual, "\(tensor.name)")
        }
    }
}
