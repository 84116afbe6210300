import Platform
import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Where the bytes of an output go when a user has named it.
///
/// A symbolic link is followed, also where its end does not exist yet: a file takes the place of what the link leads
/// to, and the link stays. Devices and pipes are never replaced: they are written to.
public struct OutputPlace {
    /// What the user named.
    public let name: FilePath
    /// The same place behind all links.
    public let path: FilePath
    /// Whether the bytes go to a device or a pipe, front to back, instead of into a new file.
    public let isStream: Bool
    /// What is there already.
    let existing: FileStatus?

    /// As many as Linux follows.
    private static let maximumLinkCount = 40

    /// Examines a name; nothing is opened or created.
    ///
    /// - Throws: `file.cannot-create` for a block device, a socket, links that lead in a circle, and a name that no
    ///   file can have.
    public init(_ name: FilePath) throws {
        var path = name
        var linkCount = 0
        var leadsToOpenFile = false
        while let target = try Self.link(at: path, namedBy: name) {
            leadsToOpenFile = OpenFileLinks.contain(path)
            if leadsToOpenFile { break }
            linkCount += 1
            guard linkCount <= Self.maximumLinkCount else {
                throw PVITError(
                    .cannotCreate, "the symbolic links lead in a circle", file: name, remedy: "choose another name")
            }
            path = path.parentFolder.pushing(target)
        }
        let existing = try? FileStatus(of: path)
        switch existing?.kind {
        case .blockDevice:
            throw PVITError(
                .cannotCreate, "this is a block device, all of whose content the output would destroy", file: name,
                remedy: "choose another name")
        case .socket:
            throw PVITError(
                .cannotCreate, "this is a socket, which cannot be written to by its name", file: name,
                remedy: "choose another name")
        case .characterDevice, .pipe: isStream = true
        case .regular: isStream = leadsToOpenFile
        case .folder, .link, nil: isStream = false
        }
        self.name = name
        self.path = path
        self.existing = existing
    }

    /// Where a file system's new files for this output lie; nil for a stream.
    public var folder: FilePath? { isStream ? nil : path.parentFolder }

    /// Throws unless a file can take this place when it is complete, so far as that can be known now.
    ///
    /// - Throws: `file.cannot-create`.
    func requireReplaceable() throws {
        guard existing?.kind != .folder else {
            throw PVITError(.cannotCreate, "a folder has this name already", file: name, remedy: "choose another name")
        }
        let user = geteuid()
        if user != 0, let existing, existing.owner.user != user, let folder = try? FileStatus(of: path.parentFolder),
            folder.keepsFilesOfOthers, folder.owner.user != user
        {
            throw PVITError(
                .cannotCreate, "the file is another user's, in a folder where only its owner may replace it",
                file: name, remedy: "choose another name")
        }
    }

    /// Where a symbolic link leads to; nil when there is none at `path`.
    private static func link(at path: FilePath, namedBy name: FilePath) throws -> FilePath? {
        do {
            guard try FileStatus(of: path, followsLinks: false).kind == .link else { return nil }
        } catch Errno.fileNameTooLong {
            throw PVITError(
                .cannotCreate, "the name is longer than the file system allows", file: name,
                remedy: "choose a shorter one")
        } catch {
            return nil
        }
        var buffer = [CChar](repeating: 0, count: 64 << 10)
        // One byte is left for the zero at the end.
        let count = path.withPlatformString { readlink($0, &buffer, buffer.count - 1) }
        guard count > 0 else { return nil }
        return buffer.withUnsafeBufferPointer { $0.baseAddress.map { FilePath(platformString: $0) } }
    }
}

extension FilePath {
    /// The folder that holds this file; `.` for a bare name.
    public var parentFolder: FilePath {
        let parent = removingLastComponent()
        return parent.isEmpty ? "." : parent
    }

    /// A hidden name in the same folder that no other process uses.
    func hiddenSibling() -> FilePath {
        let suffix = String(UInt32.random(in: 0...UInt32.max), radix: 36)
        // Most file systems allow names of 255 bytes.
        let start = String(fileNameBytes: name.fileNameBytes.prefix(200))
        return parentFolder.appending(fileNamed: ".\(start).\(getpid())-\(suffix).partial")
    }
}
