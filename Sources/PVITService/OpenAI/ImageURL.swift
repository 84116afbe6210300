import FoundationEssentials
import Storage
import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The URLs of images in requests: `data:` URLs, and files below the media folder. Nothing is fetched.
enum ImageURL {
    /// Reads a URL.
    ///
    /// - Parameters:
    ///   - param: The member of the request, for messages.
    ///   - mediaFolder: The folder of files that may be named; nil for none.
    /// - Throws: A `ServiceError` for other URLs, and for data that is not base64.
    static func source(
        of url: String, param: String, mediaFolder: FilePath?
    ) throws -> ConversationContent.ImageSource {
        if url.prefix(5).lowercased() == "data:" { return .bytes(try data(url, param)) }
        let scheme = url.prefix { $0 != ":" }.lowercased()
        if url.hasPrefix("file://") || !url.contains("://") {
            return .file(try file(url, param, mediaFolder))
        }
        throw ServiceError.invalid(
            "\(param) is a URL with the scheme \"\(scheme)\", but nothing is fetched from other servers: send the "
                + "image as a data: URL", param: param)
    }

    /// The bytes of a base64 text. White space in it is skipped.
    static func decode(base64 text: Substring) -> [UInt8]? {
        let isPlain = !text.utf8.contains { $0 <= 0x20 }
        let plain = isPlain ? String(text) : String(text.filter { !$0.isWhitespace })
        // Some encoders leave the padding out.
        let padded = plain + String(repeating: "=", count: (4 - plain.utf8.count % 4) % 4)
        return Data(base64Encoded: padded).map { [UInt8]($0) }
    }

    private static func data(_ url: String, _ param: String) throws -> [UInt8] {
        guard let comma = url.firstIndex(of: ",") else {
            throw ServiceError.invalid("\(param) is a data: URL without a comma", param: param)
        }
        guard url[..<comma].lowercased().hasSuffix(";base64") else {
            throw ServiceError.invalid("\(param) is a data: URL that is not in base64", param: param)
        }
        guard let bytes = decode(base64: url[url.index(after: comma)...]), !bytes.isEmpty else {
            throw ServiceError.invalid("\(param) is a data: URL whose base64 is damaged or empty", param: param)
        }
        return bytes
    }

    private static func file(_ url: String, _ param: String, _ mediaFolder: FilePath?) throws -> FilePath {
        guard let mediaFolder else {
            throw ServiceError.invalid(
                "\(param) names a file, but the server was started without --media-folder: send the image as a "
                    + "data: URL", param: param)
        }
        let path = FilePath(url.hasPrefix("file://") ? decodedPath(url.dropFirst("file://".count)) : url)
        // A path that begins with the folder itself is accepted as well.
        var relative = path
        if path.isAbsolute, !relative.removePrefix(mediaFolder) { relative.root = nil }
        guard let resolved = mediaFolder.lexicallyResolving(relative), isInside(resolved, mediaFolder) else {
            throw ServiceError.invalid("\(param) names a file outside the media folder", param: param)
        }
        return resolved
    }

    /// A path without percent-encoding. `file://` URLs of some clients have a relative path.
    private static func decodedPath(_ text: Substring) -> String {
        let isAbsolute = text.hasPrefix("/")
        let path = URL(string: "file:///\(text.drop { $0 == "/" })")?.path(percentEncoded: false) ?? String(text)
        return isAbsolute ? path : String(path.drop { $0 == "/" })
    }

    /// Whether a file is inside a folder when all symbolic links are followed. A file that does not exist counts as
    /// inside, and is reported when it is opened.
    private static func isInside(_ file: FilePath, _ folder: FilePath) -> Bool {
        guard let file = realPath(file) else { return true }
        guard let folder = realPath(folder) else { return false }
        return file.starts(with: folder)
    }

    private static func realPath(_ path: FilePath) -> FilePath? {
        guard let resolved = realpath(path.string, nil) else { return nil }
        defer { free(resolved) }
        return FilePath(String(cString: resolved))
    }
}
