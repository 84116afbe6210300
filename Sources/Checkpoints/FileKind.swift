import Storage
import SystemPackage

extension PVITError.Code {
    /// The file is a Git LFS pointer, not the file it stands for.
    package static let lfsPointer = Self("checkpoint.lfs-pointer", .badData)
    /// The file is a web page, saved instead of the real file.
    package static let webPage = Self("checkpoint.web-page", .badData)
    /// The checkpoint has a known format that is not supported.
    package static let formatNotReadable = Self("checkpoint.format-not-readable", .badData)
    /// The format of the checkpoint is not known.
    package static let formatUnknown = Self("checkpoint.format-unknown", .badData)
}

/// The kind of a file, recognised by its first bytes.
package enum FileKind: Sendable, Hashable {
    /// A safetensors file.
    case safetensors
    /// A ZIP archive: what `torch.save` writes since version 1.6.
    case zipArchive
    /// A pickle: what `torch.save` wrote before.
    case pickle
    /// A tar archive: what the first versions of PyTorch wrote.
    case tarArchive
    /// A GGUF file.
    case gguf
    /// A Git LFS pointer.
    case lfsPointer
    /// A web page.
    case webPage
    /// An empty file.
    case empty
    /// Anything else.
    case unknown

    /// Recognises a mapped file.
    package init(of file: borrowing MappedFile) throws {
        let head = try file.withBytes(0..<min(file.byteCount, 512)) { try $0.copyBytes(0..<$0.byteCount) }
        self.init(firstBytes: head, byteCount: file.byteCount)
    }

    init(firstBytes head: [UInt8], byteCount: Int) {
        if head.isEmpty {
            self = .empty
        } else if head.starts(with: "version https://git-lfs.github.com/spec".utf8), byteCount < 1024 {
            self = .lfsPointer
        } else if head.starts(with: [0x50, 0x4B, 0x03, 0x04]) {
            self = .zipArchive
        } else if head.starts(with: "GGUF".utf8) {
            self = .gguf
        } else if head.starts(with: "<!DOCTYPE".utf8) || head.starts(with: "<!doctype".utf8)
            || head.starts(with: "<html".utf8)
        {
            self = .webPage
        } else if head.dropFirst(257).starts(with: "ustar".utf8) {
            self = .tarArchive
        } else if head.count > 8, head[8] == UInt8(ascii: "{") {
            self = .safetensors
        } else if head.count > 2, head[0] == 0x80, (2...5).contains(head[1]) {
            self = .pickle
        } else {
            self = .unknown
        }
    }

    /// Throws for a Git LFS pointer and for a web page, which are left where a download failed.
    static func rejectPlaceholder(_ file: borrowing MappedFile) throws {
        switch try FileKind(of: file) {
        case .lfsPointer:
            throw PVITError(
                .lfsPointer, "this is a Git LFS pointer, not the file that it stands for", file: file.path,
                remedy: "run `git lfs pull` in its folder, or download the file itself")
        case .webPage:
            throw PVITError(
                .webPage, "this is a web page, not a checkpoint", file: file.path,
                remedy: "download the file itself, not the page that shows it")
        default: break
        }
    }
}
