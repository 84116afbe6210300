import Foundation
import TestSupport

/// Damages files in the ways that find weak readers.
public struct Mutator {
    /// The random numbers that decide.
    public var random: RepeatableRandom
    private static let numbers = [
        "0", "-1", "1", "2", "7", "127", "255", "256", "65535", "2147483647", "2147483648", "4294967295", "4294967296",
        "1152921504606846976", "4611686018427387904", "9223372036854775807", "9223372036854775808",
        "18446744073709551615", "18446744073709551616", "1e3", "1e308", "0.5", "-0", "null", "true", "[]", "{}", "\"\"",
    ]

    /// Starts with a seed.
    public init(seed: UInt64) { random = RepeatableRandom(seed: seed) }

    /// A damaged copy, with one to four changes.
    public mutating func mutate(_ original: [UInt8]) -> [UInt8] {
        var bytes = original
        for _ in 0..<Int.random(in: 1...4, using: &random) { change(&bytes) }
        return bytes
    }

    private mutating func change(_ bytes: inout [UInt8]) {
        guard !bytes.isEmpty else {
            bytes = [UInt8.random(in: 0...255, using: &random)]
            return
        }
        let place = Int.random(in: 0..<bytes.count, using: &random)
        let length = Int.random(in: 1...max(1, min(40, bytes.count - place)), using: &random)
        let range = place..<min(place + length, bytes.count)
        switch Int.random(in: 0..<10, using: &random) {
        case 0: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1: bytes[place] = UInt8.random(in: 0...255, using: &random)
        case 2: bytes[place] = [0, 0x7F, 0x80, 0xFF, 0x22, 0x5B, 0x7B].randomElement(using: &random) ?? 0
        case 3: bytes.removeSubrange(range)
        case 4: bytes.insert(contentsOf: bytes[range], at: Int.random(in: 0...bytes.count, using: &random))
        case 5: bytes.removeLast(bytes.count - place)
        case 6: bytes += repeatElement(UInt8.random(in: 0...255, using: &random), count: length)
        case 7:
            // The first bytes are lengths in many formats.
            let first = Int.random(in: 0..<min(16, bytes.count), using: &random)
            bytes[first] = UInt8.random(in: 0...255, using: &random)
        default: replaceNumber(&bytes, near: place)
        }
    }

    /// Puts an interesting number in place of one in the text.
    private mutating func replaceNumber(_ bytes: inout [UInt8], near place: Int) {
        func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
        guard let start = bytes[place...].firstIndex(where: isDigit) else { return }
        let end = bytes[start...].firstIndex { !isDigit($0) } ?? bytes.count
        bytes.replaceSubrange(start..<end, with: (Self.numbers.randomElement(using: &random) ?? "0").utf8)
    }
}

/// How long a fuzz test runs: a fixed number of rounds, or the seconds that PVIT_FUZZ_SECONDS says.
public struct FuzzBudget {
    private let rounds: Int
    private let end: Date?
    private var round = 0
    /// The seed of the run, which a failure should be reported with.
    public let seed: UInt64

    /// Creates a budget.
    public init(rounds: Int) {
        let environment = ProcessInfo.processInfo.environment
        self.rounds = rounds
        end = environment["PVIT_FUZZ_SECONDS"].flatMap(Double.init).map { Date().addingTimeInterval($0) }
        seed =
            environment["PVIT_FUZZ_SEED"].flatMap(UInt64.init) ?? (end == nil ? 1 : UInt64.random(in: 0...UInt64.max))
    }

    /// Whether to go on with another round.
    public mutating func next() -> Bool {
        round += 1
        if let end { return Date() < end }
        return round <= rounds
    }
}
