import CServicePage
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
        let bytes = Array(UnsafeBufferPointer(start: pvit_service_page(), count: pvit_service_page_size()))
        content = ByteBuffer(bytes: bytes)
        func source(of element: String) -> String {
            guard let start = bytes.firstRange(of: Array("<\(element)>".utf8)),
                let end = bytes[start.upperBound...].firstRange(of: Array("</\(element)>".utf8))
            else { return "'none'" }
            return "'sha256-\(Self.digest(of: Array(bytes[start.upperBound..<end.lowerBound])))'"
        }
        policy = [
            "default-src 'none'", "script-src \(source(of: "script"))", "style-src \(source(of: "style"))",
            "img-src 'self' blob: data:", "connect-src 'self'", "base-uri 'none'", "form-action 'none'",
            "frame-ancestors 'none'",
        ].joined(separator: "; ")
        tag = "\"\(Self.digest(of: bytes))\""
    }

    func response(to request: Request) -> Response {
        var headers: HTTPFields = [
            .eTag: tag, .cacheControl: "no-cache", .contentSecurityPolicy: policy, .xContentTypeOptions: "nosniff",
        ]
        headers[.referrerPolicy] = "no-referrer"
        if request.headers[.ifNoneMatch] == tag { return Response(status: .notModified, headers: headers) }
        headers[.contentType] = "text/html; charset=utf-8"
        return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: content))
    }

    /// SHA-256 in base64.
    private static func digest(of bytes: [UInt8]) -> String {
        let digest = SHA256.digest(of: bytes).bytes
        return Data((0..<SIMD32<UInt8>.scalarCount).map { digest[$0] }).base64EncodedString()
    }
}
