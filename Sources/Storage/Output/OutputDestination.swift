import Platform
import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Where an output goes that a user has named.
///
/// Symbolic links are followed, even to a file that does not exist yet: the file that a link leads to is replaced, and
/// the link stays. Devices and pipes are written to and never replaced.
package struct OutputDestination {
    /// The name that the user gave.
    package let name: FilePath
    /// The path behind all links.
    package let path: FilePath
    /// Whether the bytes go to a device or a pipe, front to back, instead of into a new file.
    package let isStream: Bool
    /// The file that exists already, if any.
    let existing: FileStatus?

    /// The limit that Linux has, too.
    private static let maximumLinkCount = 40

    /// Examines a name without opening or creating anything.
    ///
    /// - Throws: `file.cannot-create` for a block device, a socket, links that form a circle, and an impossible name.
    package init(_ name: FilePath) throws {
        var path = name
        var linkCount = 0
        var leadsToOpenFile = false
        while let target = try Self.link(at: path, namedBy: name) {
            leadsToOpenFile = OpenFileLinks.contain(path)
            if leadsToOpenFile { break }
            linkCount += 1
            guard linkCount <= Self.maximumLinkCount else {
                throw PVITError(
                    .cannotCreate, "the symbolic links form a circle", file: name, remedy: "choose another name")
            }
            path = path.parentFolder.pushing(target)
        }
        let existing = try? FileStatus(of: path)
        switch existing?.kind {
        case .blockDevice:
            throw PVITError(
                .cannotCreate, "this is a block device, and the output would overwrite its content", file: name,
                remedy: "choose another name")
        case .socket:
            throw PVITError(
                .cannotCreate, "this is a socket, which cannot be opened for writing", file: name,
                remedy: "choose another name")
        case .characterDevice, .pipe: isStream = true
        case .regular: isStream = leadsToOpenFile
        case .folder, .link, nil: isStream = false
        }
        self.name = name
        self.path = path
        self.existing = existing
    }

    /// The folder in which the output's files are created; nil for a stream.
    package var folder: FilePath? { isStream ? nil : path.parentFolder }

    /// Throws if it is known already that a finished file cannot get this name.
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
                .cannotCreate, "the file belongs to another user, and only its owner may replace it in this folder",
                file: name, remedy: "choose another name")
        }
    }

    /// The target of a symbolic link; nil if there is no link at `path`.
    private static func link(at path: FilePath, namedBy name: FilePath) throws -> FilePath? {
        do {
            guard try FileStatus(of: path, followsLinks: false).kind == .link else { return nil }
        } catch Errno.fileNameTooLong {
            throw PVITError(
                .cannotCreate, "the name is longer than the file system allows", file: name,
                remedy: "choose a shorter name")
        } catch {
            return nil
        }
        var buffer = [CChar](repeating: 0, count: 64 << 10)
        // One byte is reserved for the terminating zero.
        let count = path.withPlatformString { readlink($0, &buffer, buffer.count - 1) }
        guard count > 0 else { return nil }
        return buffer.withUnsafeBufferPointer { $0.baseAddress.map { FilePath(platformString: $0) } }
    }
}

extension FilePath {
    /// The folder that holds this file; `.` for a bare name.
    package var parentFolder: FilePath {
        let parent = removingLastComponent()
        return parent.isEmpty ? "." : parent
    }

    /// A hidden name in the same folder that is not in use.
    func hiddenSibling() -> FilePath {
        let suffix = String(UInt32.random(in: 0...UInt32.max), radix: 36)
        // Most file systems allow names of 255 bytes.
        let start = String(fileNameBytes: name.fileNameBytes.prefix(200))
        return parentFolder.appending(fileNamed: ".\(start).\(getpid())-\(suffix).partial")
    }
}
