import FoundationEssentials
import HTTPTypes
import Hummingbird
import Storage

/// Serves the page: one file without anything from elsewhere, under a policy that allows just its own style and script.
struct PageHandler: Sendable {
    private let content: ByteBuffer
    private let policy: String
    private let tag: String

    init() {
        let bytes = PackageResources.index_html
        content = ByteBuffer(bytes: bytes)
        let text = String(decoding: bytes, as: UTF8.self)
        func source(of element: String) -> String {
            guard let start = text.range(of: "<\(element)>"),
                let end = text.range(of: "</\(element)>", in: start.upperBound..<text.endIndex)
            else { return "'none'" }
            return "'sha256-\(SHA256.base64(of: Array(text[start.upperBound..<end.lowerBound].utf8)))'"
        }
        policy = [
            "default-src 'none'", "script-src \(source(of: "script"))", "style-src \(source(of: "style"))",
            "img-src 'self' blob: data:", "connect-src 'self'", "base-uri 'none'", "form-action 'none'",
            "frame-ancestors 'none'",
        ].joined(separator: "; ")
        tag = "\"\(SHA256.base64(of: bytes))\""
    }

    private static let policyName = HTTPField.Name("Content-Security-Policy") ?? .server
    private static let referrerName = HTTPField.Name("Referrer-Policy") ?? .server
    private static let typeOptionsName = HTTPField.Name("X-Content-Type-Options") ?? .server

    func response(to request: Request) -> Response {
        var headers: HTTPFields = [
            .eTag: tag, .cacheControl: "no-cache", Self.policyName: policy, Self.referrerName: "no-referrer",
            Self.typeOptionsName: "nosniff",
        ]
        if request.headers[.ifNoneMatch] == tag { return Response(status: .notModified, headers: headers) }
        headers[.contentType] = "text/html; charset=utf-8"
        return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: content))
    }
}

extension SHA256 {
    /// The digest of bytes in base64.
    fileprivate static func base64(of bytes: [UInt8]) -> String {
        var hash = SHA256()
        hash.update(bytes)
        let digest = hash.digest.bytes
        return Data((0..<SIMD32<UInt8>.scalarCount).map { digest[$0] }).base64EncodedString()
    }
}

extension String {
    /// The first range of a text in a part of this one, compared by code points.
    fileprivate func range(of text: String, in part: Range<Index>? = nil) -> Range<Index>? {
        let part = part ?? startIndex..<endIndex
        let found = self[part].unicodeScalars.firstRange(of: text.unicodeScalars)
        return found
    }
}
