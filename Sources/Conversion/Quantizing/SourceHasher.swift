import Checkpoints
import Parallelism
import SystemPackage
import Tensors

/// Computes SHA-256 of source files while their tensors are converted, so that the disk is read once.
///
/// A thread reads the files in step with the conversion: base and delta side by side, which is how they are added, and
/// towers after them. That makes the operating system read ahead for the conversion too. The thread stays at most
/// `lead` bytes in front of the conversion, so what it has read is still in memory when it is converted.
final class SourceHasher: Sendable {
    /// Files that are converted together, before those of the next part.
    struct Part: Sendable {
        /// The files, each role's in the order in which they are converted.
        let files: [Checkpoint.SourceFile]
        /// The bytes of tensors that are converted from them.
        let convertedByteCount: UInt64

        fileprivate var byteCount: UInt64 { files.reduce(0) { $0 + $1.byteCount } }
    }

    private let parts: [Part]
    private let state: State
    private let thread: BackgroundThread<[String]>
    private static let lead: UInt64 = 256 << 20

    /// Starts the thread.
    init(parts: [Part]) throws {
        let state = State(limit: Self.lead)
        self.parts = parts
        self.state = state
        thread = try BackgroundThread.start {
            try parts.flatMap { try Self.hash($0.files, state: state) }
        }
    }

    /// Says how many bytes of tensors are converted.
    func advance(toConverted converted: UInt64) {
        state.allow(upTo: Self.position(in: parts, converted: converted) + Self.lead)
    }

    /// Waits for all files; returns their digests in hexadecimal digits, in the order of the parts' files.
    ///
    /// - Throws: `file.read-failed`.
    func finish() throws -> [String] {
        state.allow(upTo: .max)
        return try thread.join()
    }

    /// Ends the thread without a result.
    func cancel() {
        state.cancel()
        _ = try? thread.join()
    }

    /// How many bytes of files `converted` bytes of tensors stand for.
    static func position(in parts: [Part], converted: UInt64) -> UInt64 {
        var position: UInt64 = 0
        var rest = converted
        for part in parts {
            if rest < part.convertedByteCount {
                return position + UInt64(Double(part.byteCount) * (Double(rest) / Double(part.convertedByteCount)))
            }
            position += part.byteCount
            rest -= part.convertedByteCount
        }
        return position
    }

    /// The digests of files that are read side by side: always the one whose role is furthest behind.
    private static func hash(_ files: [Checkpoint.SourceFile], state: State) throws -> [String] {
        var digests = [String](repeating: "", count: files.count)
        var tracks: [HashingTrack] = []
        for role in Set(files.map(\.role)) {
            tracks.append(HashingTrack(files.enumerated().filter { $0.element.role == role }.map { ($0, $1) }))
        }
        while let place = tracks.indices.min(by: { tracks[$0].fraction < tracks[$1].fraction }) {
            try state.waitForPermission()
            let step = try tracks[place].advance()
            state.add(UInt64(step.byteCount))
            if let digest = step.digest { digests[digest.file] = digest.hexadecimal }
            if tracks[place].isDone { tracks.remove(at: place) }
        }
        return digests
    }

    /// How far the thread may go.
    private final class State: Sendable {
        private struct Limits {
            var position: UInt64 = 0
            var limit: UInt64
            var isCancelled = false
        }

        private let limits: Condition<Limits>

        init(limit: UInt64) { limits = Condition(Limits(limit: limit)) }

        func allow(upTo limit: UInt64) { limits.change { $0.limit = max($0.limit, limit) } }

        func cancel() { limits.change { $0.isCancelled = true } }

        func add(_ count: UInt64) { limits.change { $0.position += count } }

        /// Waits until another piece may be read.
        func waitForPermission() throws {
            let limits = limits.wait { $0.isCancelled || $0.position < $0.limit }
            if limits.isCancelled { throw PVITError(.cancelled, "stopped on request") }
        }
    }
}
