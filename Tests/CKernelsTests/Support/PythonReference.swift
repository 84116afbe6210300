import Foundation
import TestSupport
import Testing

/// A Python interpreter with numpy, for independent results.
enum PythonReference {
    /// The standard output of the program for `input`.
    static func run(_ program: String, input: [UInt8]) throws -> [UInt8] {
        let file = FileManager.default.temporaryDirectory.appending(path: "pvit-kernels-\(UUID().uuidString)")
        try Data(input).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        return Array(try Python.output(of: ["-c", program, file.path]))
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
