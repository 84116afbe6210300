import ChecksumSupport
import Storage
import SystemPackage
import Tensors
import TestSupport
import Testing

@testable import Container

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Mutates good files and repairs their checksums, so that the checks behind them are reached.
private struct Mutator {
    var random: RepeatableRandom
    let originals: [[UInt8]]

    mutating func next() -> [UInt8] {
        var data = originals.randomElement(using: &random) ?? []
        for _ in 0..<Int.random(in: 1...4, using: &random) { mutate(&data) }
        if Int.random(in: 0..<20, using: &random) > 0 {
            ContainerChecksums.mend(&data, includingFileSize: Bool.random(using: &random))
        }
        return data
    }

    /// Changes a byte or a number, most often in the index or the footer.
    private mutating func mutate(_ data: inout [UInt8]) {
        guard data.count > 192 else { return }
        let footer = data.count - 128
        let index = ContainerChecksums.number(data, at: footer + 56, width: 8)
        let indexRegion = Int(clamping: min(index, UInt64(footer)))..<footer
        let regions: [Range<Int>] = [
            0..<64, footer..<data.count, indexRegion, indexRegion, indexRegion, tile(of: data, index: indexRegion),
            tile(of: data, index: indexRegion), 4096 % footer..<footer,
        ]
        let region = regions.randomElement(using: &random) ?? 0..<64
        guard !region.isEmpty else { return }
        let place = Int.random(in: region, using: &random)
        switch Int.random(in: 0..<10, using: &random) {
        case 0..<3: data[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 3..<5: data[place] = UInt8.random(in: 0...255, using: &random)
        case 5..<8:
            let width = [2, 4, 8].randomElement(using: &random) ?? 4
            let start = place / width * width
            guard start + width <= data.count else { return }
            let old = ContainerChecksums.number(data, at: start, width: width)
            let powers: [UInt64] = [0, 1, .max, 1 << 31, 1 << 32, 1 << 63, (1 << 63) - 1, UInt64(data.count)]
            let new = [
                old &+ 1, old &- 1, old &+ 64, old &- 64, old &* 2,
                old ^ 1 << UInt64.random(in: 0..<64, using: &random),
                powers.randomElement(using: &random) ?? 0,
            ].randomElement(using: &random)
            ContainerChecksums.put(new ?? 0, into: &data, at: start, width: width)
        case 8:
            // Overwrites a record with another one.
            let size = [32, 192].randomElement(using: &random) ?? 32
            guard region.count > 2 * size else { return }
            let from = Int.random(in: region.lowerBound..<region.upperBound - size, using: &random)
            let to = Int.random(in: region.lowerBound..<region.upperBound - size, using: &random)
            data.replaceSubrange(to..<to + size, with: Array(data[from..<from + size]))
        default:
            let count = Int.random(in: 1...64, using: &random)
            if Bool.random(using: &random) {
                data.insert(contentsOf: [UInt8](repeating: 0, count: count), at: place)
            } else {
                data.removeSubrange(place..<min(place + count, data.count))
            }
        }
    }

    /// The stored bytes of some tile, or nil.
    private mutating func tile(of data: [UInt8], index: Range<Int>) -> Range<Int> {
        guard index.count >= 64 else { return 0..<0 }
        let tensors = Int(ContainerChecksums.number(data, at: index.lowerBound, width: 4))
        let tiles = Int(ContainerChecksums.number(data, at: index.lowerBound + 4, width: 4))
        guard tiles > 0 else { return 0..<0 }
        let record = index.lowerBound + 64 + 192 * tensors + 32 * Int.random(in: 0..<tiles, using: &random)
        guard record + 32 <= index.upperBound else { return 0..<0 }
        return ContainerChecksums.range(
            ContainerChecksums.number(data, at: record, width: 8),
            ContainerChecksums.number(data, at: record + 8, width: 4), within: data.count) ?? 0..<0
    }
}

/// The environment variable `name` as a number.
private func environment(_ name: String) -> Double? {
    getenv(name).flatMap { Double(String(cString: $0)) }
}

@Suite struct FuzzTests {
    /// Reads everything in a file and returns the outcome. Every error must be a `PVITError` about bad data.
    private static func exhaust(_ path: FilePath) throws -> String {
        do {
            let container = try Container(opening: path, allowsPackedDelta: true)
            let scratch = TileScratch()
            for tensor in try container.tensors() {
                for tile in 0..<tensor.tileCount {
                    _ = try? container.withTile(tile, of: tensor, scratch: scratch) { content, tile in
                        #expect(content.byteCount == tile.decodedByteCount)
                    }
                    let size = try container.tile(tile, of: tensor).decodedByteCount
                    if container.needsBase, size <= 1 << 20 {
                        _ = try? container.content(
                            ofTile: tile, of: tensor, base: [UInt8](repeating: 0, count: size))
                    }
                }
                if tensor.role == .attachment { _ = try? container.attachment(tensor.name.rawValue) }
            }
            try container.verify()
            return "good"
        } catch let error as PVITError {
            #expect(error.code.category == .badData, "\(error)")
            return error.code.name
        }
    }

    @Test("mutated files are read or give an error, and never trap")
    func mutations() throws {
        let folder = try TemporaryFolder()
        // If `PVIT_FUZZ_KEEP` names a folder, the file that trapped stays there, under a name that identifies it.
        let path = getenv("PVIT_FUZZ_KEEP").map { FilePath(String(cString: $0)) } ?? folder.path.appending("a.pvq")
        let originals = try ["tiny", "types", "zstd", "quantized", "packed-delta"].map {
            try contents(of: vectors.appending($0 + ".pvq"))
        }
        let seed = environment("PVIT_FUZZ_SEED").map { UInt64($0) } ?? 1
        var mutator = Mutator(random: RepeatableRandom(seed: seed), originals: originals)
        let seconds = environment("PVIT_FUZZ_SECONDS")
        let clock = ContinuousClock()
        let end = clock.now.advanced(by: .seconds(seconds ?? 0))
        var outcomes: [String: Int] = [:]
        var count = 0
        while count < 400 || clock.now < end {
            try write(mutator.next(), to: path)
            outcomes[try Self.exhaust(path), default: 0] += 1
            count += 1
        }
        // Most checks are reached, not only those of checksums.
        #expect(outcomes.count > 12)
        if seconds != nil { print("\(count) mutated files: \(outcomes.sorted { $0.value > $1.value })") }
    }
}
