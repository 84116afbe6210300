import CheckpointTestSupport
import Foundation
import Storage
import SystemPackage
import Tensors
import Testing
import TestSupport

@testable import Checkpoints

/// Random changes of real files. Nothing is expected but that reading ends with tensors or with a `PVITError`.
///
/// The environment variable PVIT_FUZZ_SECONDS lets the search go on for longer.
@Suite("Random PyTorch files", .slow)
struct TorchFuzzTests {
    /// Calls `body` with seeds, at least `count` times, and then until the time that the environment gives is over.
    private func repeatedly(_ count: UInt64, _ body: (UInt64) throws -> Void) throws {
        let seconds = ProcessInfo.processInfo.environment["PVIT_FUZZ_SECONDS"].flatMap(Double.init) ?? 0
        let end = Date(timeIntervalSinceNow: seconds)
        var seed: UInt64 = seconds > 0 ? UInt64(Date().timeIntervalSince1970) << 32 : 0
        let last = seed + count
        while seed < last || Date() < end {
            try body(seed)
            seed += 1
        }
    }

    private static let interesting: [UInt8] = [
        0, 1, 2, 0x7F, 0x80, 0xFF, 0x28, 0x29, 0x2E, 0x30, 0x31, 0x32, 0x52, 0x51, 0x5D, 0x61, 0x62, 0x63, 0x65, 0x68,
        0x71, 0x73, 0x74, 0x75, 0x7D, 0x81, 0x85, 0x86, 0x87, 0x8A, 0x8B, 0x8C, 0x8D, 0x8F, 0x90, 0x91, 0x93, 0x94,
        0x95,
    ]

    private func mutated(_ bytes: [UInt8], _ random: inout RepeatableRandom) -> [UInt8] {
        var result = bytes
        for _ in 0..<Int.random(in: 1...6, using: &random) where !result.isEmpty {
            let place = Int.random(in: 0..<result.count, using: &random)
            let length = min(Int.random(in: 1...40, using: &random), result.count - place)
            switch Int.random(in: 0..<8, using: &random) {
            case 0: result[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 1: result[place] = Self.interesting.randomElement(using: &random) ?? 0
            case 2: result.removeSubrange(place..<place + length)
            case 3:
                let slice = result[place..<place + length]
                result.insert(contentsOf: slice, at: Int.random(in: 0..<result.count, using: &random))
            case 4: result.insert(Self.interesting.randomElement(using: &random) ?? 0, at: place)
            case 5:
                for offset in 0..<min(8, result.count - place) { result[place + offset] = 0xFF }
            case 6:
                let other = Int.random(in: 0..<result.count, using: &random)
                result.swapAt(place, other)
            default: result.removeLast(min(length, result.count))
            }
        }
        return result
    }

    /// Reads a file as a user would, and all its rows.
    private func read(_ bytes: [UInt8], _ folder: TemporaryFolder) throws {
        let path = try folder.write("file.bin", bytes)
        do {
            let file = try TorchFile(path: path)
            for tensor in file.tensors.prefix(50) where tensor.byteCount <= 1 << 20 {
                _ = try file.bytes(ofRows: 0..<tensor.shape.rows, of: tensor)
            }
            try verify(file)
        } catch is PVITError {}
    }

    @Test(
        "a changed file is read or refused",
        arguments: [
            "zip_torch1.13.bin", "zip_torch2.bin", "legacy_pickle.bin", "nested_checkpoint.pth", "parameters.bin",
            "module_state_dict.bin",
        ])
    func files(name: String) throws {
        let folder = try TemporaryFolder()
        let original = try contents(of: torchFixture(name))
        try repeatedly(300) { seed in
            var random = RepeatableRandom(seed: seed)
            try read(mutated(original, &random), folder)
        }
    }

    @Test(
        "a changed pickle in a sound archive is read or refused",
        arguments: ["zip_torch2.bin", "nested_checkpoint.pth"])
    func pickles(name: String) throws {
        let folder = try TemporaryFolder()
        let path = try torchFixture(name)
        let archive = try ZipArchive(of: MappedFile(path: path))
        let file = try contents(of: path)
        let entries = archive.entries.map { ZipBytes.Entry($0.name, Array(file[$0.bytes])) }
        let place = try #require(entries.firstIndex { String(decoding: $0.name, as: UTF8.self).hasSuffix("/data.pkl") })
        try repeatedly(300) { seed in
            var random = RepeatableRandom(seed: seed)
            var zip = ZipBytes(entries)
            zip.entries[place].content = mutated(zip.entries[place].content, &random)
            try read(zip.bytes, folder)
        }
    }

    @Test("a random sequence of instructions is run or refused")
    func instructions() throws {
        try repeatedly(2000) { seed in
            var random = RepeatableRandom(seed: seed)
            var bytes: [UInt8] = [0x80, 4]
            for _ in 0..<Int.random(in: 1...200, using: &random) {
                bytes += instruction(&random)
            }
            var unpickler = Unpickler(bytes + [0x2E], fileOffset: 0)
            do {
                let value = try unpickler.load()
                _ = try StateDictionary(value, in: unpickler.heap)
            } catch is PVITError {}
        }
    }

    /// An instruction with an argument that it may have.
    private func instruction(_ random: inout RepeatableRandom) -> [UInt8] {
        typealias P = PickleBytes
        let small = UInt8.random(in: 0..<12, using: &random)
        let name = P.text(["model", "a", "module", "weight"].randomElement(using: &random) ?? "")
        let choices: [[UInt8]] = [
            [0x28], [0x28], [0x29], [0x5D], [0x7D], [0x8F], [0x4E], [0x88], [0x4B, small], [0x8A, 1, small], name, name,
            [0x30], [0x31], [0x32], [0x61], [0x65], [0x73], [0x73], [0x75], [0x75], [0x74], [0x85], [0x86], [0x87],
            [0x90], [0x91], [0x71, small], [0x68, small], [0x68, small], [0x94], [0x52], [0x62], [0x51],
            P.global("collections", "OrderedDict"), P.global("collections", "Counter"), P.global("torch", "Size"),
            P.global("builtins", "set"), P.call(P.global("collections", "OrderedDict")), P.vector(Int(small)),
            P.storage(count: Int(small)), P.integer(Int(truncatingIfNeeded: random.next())),
        ]
        return choices.randomElement(using: &random) ?? []
    }
}
