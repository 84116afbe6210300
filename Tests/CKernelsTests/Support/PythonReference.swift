import Foundation
import Testing

/// A Python interpreter with numpy, for independent results.
enum PythonReference {
    static var isAvailable: Bool { ProcessInfo.processInfo.environment["PVIT_TEST_PYTHON"] != nil }

    /// The standard output of the program for `input`.
    static func run(_ program: String, input: [UInt8]) throws -> [UInt8] {
        let interpreter = try #require(ProcessInfo.processInfo.environment["PVIT_TEST_PYTHON"])
        let file = FileManager.default.temporaryDirectory.appending(path: "pvit-kernels-\(UUID().uuidString)")
        try Data(input).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let process = Process()
        process.executableURL = URL(filePath: interpreter)
        process.arguments = ["-c", program, file.path]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let bytes = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
        return Array(bytes)
    }
}

/// Conversions between numbers and bytes.
func bytes<Element: BitwiseCopyable>(of elements: [Element]) -> [UInt8] { elements.withUnsafeBytes(Array.init) }

func elements<Element: BitwiseCopyable>(_ type: Element.Type, of bytes: [UInt8]) -> [Element] {
    bytes.withUnsafeBytes { bytes in
        stride(from: 0, to: bytes.count, by: MemoryLayout<Element>.stride).map {
            bytes.loadUnaligned(fromByteOffset: $0, as: type)
        }
    }
}
