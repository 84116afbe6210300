import Foundation
import Testing

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
        String(decoding: try output(of: ["-c", script] + arguments), as: UTF8.self)
    }

    /// Runs Python with these arguments and returns its standard output.
    public static func output(of arguments: [String]) throws -> Data {
        let result = try launch(arguments)
        guard result.status == 0 else { throw Failure(description: result.errors) }
        return result.output
    }

    /// Runs Python with these arguments and returns what it wrote, and its exit status.
    public static func launch(_ arguments: [String]) throws -> (output: Data, errors: String, status: Int32) {
        guard let path else { throw Failure(description: "PVIT_TEST_PYTHON is not set") }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        let output = Pipe()
        let errors = TemporaryFile()
        process.standardOutput = output
        process.standardError = errors.handle
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (data, errors.text, process.terminationStatus)
    }
}

extension Trait where Self == ConditionTrait {
    /// Leaves tests out where there is no Python to compare with.
    public static var needsPython: Self { .enabled(if: Python.isPresent, "PVIT_TEST_PYTHON is not set") }
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
