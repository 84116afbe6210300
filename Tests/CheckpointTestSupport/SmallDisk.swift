import Foundation
import Storage
import SystemPackage

/// A file system of a given size in memory, mounted as long as the value lives.
public final class SmallDisk {
    /// Where it is mounted.
    public let path: FilePath
    private let folder: TemporaryFolder

    /// Whether this process may mount file systems.
    public static var isPossible: Bool {
        guard let disk = try? SmallDisk(byteCount: 1 << 16) else { return false }
        return (try? disk.entries.isEmpty) ?? false
    }

    /// Mounts a file system.
    public init(byteCount: Int) throws {
        folder = try TemporaryFolder()
        path = folder.path.appending("disk")
        try FileManager.default.createDirectory(atPath: path.string, withIntermediateDirectories: false)
        try Self.run("mount", "-t", "tmpfs", "-o", "size=\(byteCount)", "tmpfs", path.string)
    }

    deinit { try? Self.run("umount", path.string) }

    /// The names on it, sorted.
    public var entries: [String] {
        get throws { try FileManager.default.contentsOfDirectory(atPath: path.string).sorted() }
    }

    private static func run(_ arguments: String...) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = arguments
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw PVITError(.internalDefect, "\(arguments.joined(separator: " ")) failed")
        }
    }
}

/// A number that threads count up.
public final class Counter: @unchecked Sendable {
    // Guarded by `lock`.
    private var count = 0
    private let lock = NSLock()

    /// Starts at 0.
    public init() {}

    /// The number.
    public var value: Int { lock.withLock { count } }

    /// Adds one and returns the sum.
    @discardableResult
    public func increment() -> Int {
        lock.withLock {
            count += 1
            return count
        }
    }
}
