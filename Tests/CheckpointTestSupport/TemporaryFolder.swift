import Foundation
import Platform
import SystemPackage

/// A folder that lives as long as the value, and no longer than the process.
public final class TemporaryFolder: Sendable {
    /// Where it is.
    public let path: FilePath

    /// The folders of values that live until the process ends.
    private static let remaining = Lock<Set<String>>([])
    private static let removesRemaining: Void = {
        atexit {
            for folder in TemporaryFolder.remaining.withLock({ $0 }) {
                try? FileManager.default.removeItem(atPath: folder)
            }
        }
    }()

    /// Creates an empty folder.
    public init() throws {
        Self.removesRemaining
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("pvit-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = FilePath(url.path)
        Self.remaining.withLock { _ = $0.insert(url.path) }
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path.string)
        Self.remaining.withLock { _ = $0.remove(path.string) }
    }

    /// Writes a file and returns its path; folders in its name are created.
    @discardableResult
    public func write(_ name: String, _ bytes: [UInt8]) throws -> FilePath {
        let file = path.appending(name)
        if name.contains("/") {
            try FileManager.default.createDirectory(
                atPath: file.removingLastComponent().string, withIntermediateDirectories: true)
        }
        try Data(bytes).write(to: URL(fileURLWithPath: file.string))
        return file
    }

    /// Writes a text file and returns its path.
    @discardableResult
    public func write(_ name: String, _ text: String) throws -> FilePath { try write(name, Array(text.utf8)) }

    /// Deletes a file.
    public func remove(_ name: String) throws {
        try FileManager.default.removeItem(atPath: path.appending(name).string)
    }

    /// The names in the folder, hidden ones included, sorted.
    public var entries: [String] {
        get throws { try FileManager.default.contentsOfDirectory(atPath: path.string).sorted() }
    }
}

/// The bytes of a file.
public func contents(of path: FilePath) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(fileURLWithPath: path.string)))
}
