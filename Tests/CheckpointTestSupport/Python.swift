import Foundation
import SystemPackage

/// The Python that has the libraries which tests compare with.
public enum Python {
    /// Where it is, or nil when the environment does not say.
    public static let path = ProcessInfo.processInfo.environment["PVIT_TEST_PYTHON"]

    /// Whether there is one.
    public static var isPresent: Bool { path != nil }

    /// A script that failed.
    public struct Failure: Error, CustomStringConvertible {
        /// What it wrote to standard error.
        public let description: String
    }

    /// Runs a script and returns its standard output.
    public static func run(_ script: String, _ arguments: String...) throws -> String {
        guard let path else { throw Failure(description: "PVIT_TEST_PYTHON is not set") }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = ["-c", script] + arguments
        let output = Pipe()
        let errors = TemporaryFile()
        process.standardOutput = output
        process.standardError = errors.handle
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Failure(description: errors.text) }
        return String(decoding: data, as: UTF8.self)
    }
}

/// A file that collects a stream.
private final class TemporaryFile {
    private let url = FileManager.default.temporaryDirectory.appendingPathComponent("pvit-\(UUID().uuidString)")
    let handle: FileHandle

    init() {
        _ = FileManager.default.createFile(atPath: url.path, contents: nil)
        handle = FileHandle(forWritingAtPath: url.path) ?? .nullDevice
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    var text: String { (try? String(contentsOf: url, encoding: .utf8)) ?? "" }
}
