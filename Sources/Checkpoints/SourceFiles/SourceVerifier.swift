import Platform
import Parallelism
import Storage

/// Reads source files once while their tensors are converted: checks the checksums that archives store and computes
/// the SHA-256 of each file.
///
/// A thread reads the files in step with the conversion: base and delta side by side, which is how they are added, and
/// towers after them. That makes the operating system read ahead for the conversion too. The thread stays at most
/// `lead` bytes in front of the conversion, so what it has read is still in memory when it is converted.
package final class SourceVerifier: Sendable {
    /// Files that are converted together, before those of the next group.
    package struct FileGroup: Sendable {
        /// The files, each role's in the order in which they are converted.
        package let files: [Checkpoint.SourceFile]
        /// The bytes of tensors that are converted from them.
        package let convertedByteCount: UInt64

        package init(files: [Checkpoint.SourceFile], convertedByteCount: UInt64) {
            self.files = files
            self.convertedByteCount = convertedByteCount
        }

        fileprivate var byteCount: UInt64 { files.reduce(0) { $0 + $1.byteCount } }
    }

    private let groups: [FileGroup]
    private let state: State
    private let thread: BackgroundThread<[Digest]>
    private static let lead: UInt64 = 256 << 20

    /// Converts a checkpoint while its files are checked against the checksums that they store. Files without any are
    /// not read.
    ///
    /// - Parameters:
    ///   - byteCount: The bytes of tensors that are converted.
    ///   - convert: The conversion; calls its argument with the number of bytes of tensors that are converted.
    /// - Throws: `torch.checksum`, `file.read-failed`, and what `convert` throws.
    package static func checking<Result>(
        _ files: [Checkpoint.SourceFile], byteCount: UInt64,
        while convert: (_ advance: @escaping (UInt64) throws -> Void) throws -> Result
    ) throws -> Result {
        let checked = files.filter { !$0.checksums.isEmpty }
        guard !checked.isEmpty else { return try convert { _ in } }
        let verifier = try SourceVerifier(
            [FileGroup(files: checked, convertedByteCount: byteCount)], computesDigests: false)
        return try verifier.run(while: convert).result
    }

    /// Converts as `checking`, and computes the SHA-256 of all files.
    ///
    /// - Returns: Also the digests, in the order of the groups' files.
    package static func hashing<Result>(
        _ groups: [FileGroup], while convert: (_ advance: @escaping (UInt64) throws -> Void) throws -> Result
    ) throws -> (result: Result, digests: [Digest]) {
        try SourceVerifier(groups, computesDigests: true).run(while: convert)
    }

    /// Starts the thread.
    private init(_ groups: [FileGroup], computesDigests: Bool) throws {
        let state = State(limit: Self.lead)
        self.groups = groups
        self.state = state
        thread = try BackgroundThread.start {
            do {
                return try groups.flatMap {
                    try Self.read($0.files, computesDigests: computesDigests, state: state)
                }
            } catch {
                state.fail(error)
                throw error
            }
        }
    }

    private func run<Result>(
        while convert: (_ advance: @escaping (UInt64) throws -> Void) throws -> Result
    ) throws -> (result: Result, digests: [Digest]) {
        let result: Result
        do {
            result = try convert { [groups, state] converted in
                try state.allow(upTo: Self.position(in: groups, converted: converted) + Self.lead)
            }
            try state.allow(upTo: .max)
        } catch {
            state.cancel()
            _ = try? thread.join()
            throw error
        }
        return (result, try thread.join())
    }

    /// How many bytes of files `converted` bytes of tensors stand for.
    static func position(in groups: [FileGroup], converted: UInt64) -> UInt64 {
        var position: UInt64 = 0
        var rest = converted
        for group in groups {
            if rest < group.convertedByteCount {
                return position + UInt64(Double(group.byteCount) * (Double(rest) / Double(group.convertedByteCount)))
            }
            position += group.byteCount
            rest -= group.convertedByteCount
        }
        return position
    }

    /// Reads files side by side: always the one whose role is furthest behind. Returns their digests.
    private static func read(
        _ files: [Checkpoint.SourceFile], computesDigests: Bool, state: State
    ) throws -> [Digest] {
        var digests: [Int: Digest] = [:]
        var tracks = Set(files.map(\.role)).map { role in
            SourceFileTrack(
                files.enumerated().filter { $0.element.role == role }.map { ($0, $1) },
                computesDigests: computesDigests)
        }
        while let slowest = tracks.indices.min(by: { tracks[$0].fraction < tracks[$1].fraction }) {
            try state.waitForPermission()
            let step = try tracks[slowest].advance()
            state.add(UInt64(step.byteCount))
            if let digest = step.digest { digests[digest.file] = digest.value }
            if tracks[slowest].isDone { tracks.remove(at: slowest) }
        }
        return files.indices.compactMap { digests[$0] }
    }

    /// How far the thread may go, and the error that it ended with.
    private final class State: Sendable {
        private struct Limits {
            var position: UInt64 = 0
            var limit: UInt64
            var isCancelled = false
            var failure: (any Error)?
        }

        private let limits: Condition<Limits>

        init(limit: UInt64) { limits = Condition(Limits(limit: limit)) }

        /// Lets the thread read on; throws the error that it has ended with.
        func allow(upTo limit: UInt64) throws {
            try limits.change {
                if let failure = $0.failure { throw failure }
                $0.limit = max($0.limit, limit)
            }
        }

        func cancel() { limits.change { $0.isCancelled = true } }

        func fail(_ error: any Error) { limits.change { $0.failure = error } }

        func add(_ count: UInt64) { limits.change { $0.position += count } }

        /// Waits until another chunk may be read.
        func waitForPermission() throws {
            let limits = limits.wait { $0.isCancelled || $0.position < $0.limit }
            if limits.isCancelled { throw PVITError(.cancelled, "stopped on request") }
        }
    }
}
