import Checkpoints
import Crypto
import Parallelism
import Synchronization
import SystemPackage
import Tensors

/// Computes SHA-256 of source files while their tensors are converted, so that the disk is read once.
///
/// A thread reads the files from front to back, which makes the operating system read ahead for the conversion too. It
/// stays at most `lead` bytes in front of the conversion, so what it has read is still in memory when it is converted.
final class SourceHasher: Sendable {
    private let files: [Checkpoint.SourceFile]
    private let byteCount: UInt64
    private let state: State
    private let thread: BackgroundThread<[String]>
    private static let lead: UInt64 = 256 << 20
    private static let pieceByteCount = 1 << 20

    /// Starts the thread.
    init(files: [Checkpoint.SourceFile]) throws {
        let state = State()
        let total = files.reduce(0) { $0 + $1.byteCount }
        self.files = files
        self.state = state
        byteCount = total
        thread = try BackgroundThread.start { try files.map { try Self.hash($0.path, state: state) } }
    }

    /// Says how much of the conversion is done.
    func advance(toFraction fraction: Double) {
        state.allow(upTo: UInt64(Double(byteCount) * min(max(fraction, 0), 1)) + Self.lead)
    }

    /// Waits for all files; returns their digests in hexadecimal digits.
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

    private static func hash(_ path: FilePath, state: State) throws -> String {
        var hash = SHA256()
        var buffer = [UInt8](repeating: 0, count: pieceByteCount)
        do {
            let file = try FileDescriptor.open(path, .readOnly, options: [.closeOnExec])
            defer { try? file.close() }
            while try state.waitForPermission() {
                let count = try buffer.withUnsafeMutableBytes { try file.read(into: $0) }
                if count == 0 { break }
                buffer.withUnsafeBytes { hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: $0[..<count])) }
                state.add(UInt64(count))
            }
        } catch let error as Errno {
            throw PVITError(.readFailed, "reading failed: \(error)", file: path)
        }
        return hash.finalize().hexadecimal
    }

    /// How far the thread may go.
    private final class State: Sendable {
        private struct Limits {
            var position: UInt64 = 0
            var limit: UInt64 = SourceHasher.lead
            var isCancelled = false
        }

        private let gate = Gate(Limits())

        func allow(upTo limit: UInt64) { gate.change { $0.limit = max($0.limit, limit) } }

        func cancel() { gate.change { $0.isCancelled = true } }

        func add(_ count: UInt64) { gate.change { $0.position += count } }

        /// Waits until another piece may be read.
        func waitForPermission() throws -> Bool {
            let limits = gate.wait { $0.isCancelled || $0.position < $0.limit }
            if limits.isCancelled { throw PVITError(.cancelled, "stopped on request") }
            return true
        }
    }
}

extension Sequence<UInt8> {
    /// Two small hexadecimal digits for each byte.
    var hexadecimal: String {
        let digits = Array("0123456789abcdef")
        return String(flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }
}
