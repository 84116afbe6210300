import CPVIT
import Platform
import PVITModel
import Storage
import Tensors

/// What a model reads: a conversation, a text or tokens, with an image and regions.
final class RequestObject: HandleObject, Sendable {
    static let kind = "request"

    struct Content: Sendable {
        var messages: [ChatMessage] = []
        var text: String?
        var tokens: [TokenID]?
        var image: ImageObject?
        var regions: [NamedRegion] = []
    }

    private let content = Lock(Content())

    /// A copy of the content.
    var copy: Content { content.withLock { $0 } }

    func change(_ body: (inout Content) throws -> Void) throws { try content.withLock { try body(&$0) } }
}

extension RequestObject.Content {
    /// The request as a model reads it, with regions in place of their names.
    enum Resolved {
        case messages([ChatMessage])
        case text(String)
        case tokens([TokenID])
    }

    /// Replaces the names of regions, in the order in which texts mention them.
    ///
    /// - Throws: `prompt.region`; `library.argument` for a request with nothing in it, with two kinds of input, or with
    ///   another model's image.
    func resolved(for model: ModelObject) throws -> Resolved {
        try image?.check(for: model)
        let kinds = (messages.isEmpty ? 0 : 1) + (text == nil ? 0 : 1) + (tokens == nil ? 0 : 1)
        guard kinds == 1 else {
            throw PVITError(
                .argument,
                kinds == 0
                    ? "the request is empty" : "the request has more than one of messages, a text and tokens",
                remedy: "give one of messages, a text and tokens")
        }
        if let tokens {
            guard image == nil, regions.isEmpty else {
                throw PVITError(
                    .argument, "a request of tokens cannot have an image",
                    remedy: "give a text, in which <image> stands for it")
            }
            return .tokens(tokens)
        }
        if let text { return .text(try regions.inserted(into: text, of: image?.image)) }
        return .messages(try regions.inserted(into: messages, of: image?.image))
    }
}

/// `pvit_request_new`, which pvit.h describes.
@c @implementation
public func pvit_request_new() -> OpaquePointer? { HandleTable.current.add(RequestObject()) }

/// `pvit_request_add_message`, which pvit.h describes.
@c @implementation
public func pvit_request_add_message(
    _ request: OpaquePointer?, _ role: UnsafePointer<CChar>?, _ text: UnsafePointer<CChar>?,
    _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> pvit_status {
    perform(error) {
        let request = try object(request, RequestObject.self)
        let name = try PVITLibrary.text(role, "the role")
        guard let role = ChatMessage.Role(rawValue: name) else {
            throw PVITError(
                .argument, "there is no role \"\(name)\"", remedy: "a role is system, user or assistant")
        }
        let message = ChatMessage(role, try PVITLibrary.text(text, "the text"))
        try request.change { $0.messages.append(message) }
    }
}

/// `pvit_request_set_text`, which pvit.h describes.
@c @implementation
public func pvit_request_set_text(
    _ request: OpaquePointer?, _ text: UnsafePointer<CChar>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> pvit_status {
    perform(error) {
        let text = try PVITLibrary.text(text, "the text")
        try object(request, RequestObject.self).change { $0.text = text }
    }
}

/// `pvit_request_set_tokens`, which pvit.h describes.
@c @implementation
public func pvit_request_set_tokens(
    _ request: OpaquePointer?, _ tokens: UnsafePointer<Int32>?, _ count: Int,
    _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> pvit_status {
    perform(error) {
        let tokens = try tokenArray(tokens, count)
        try object(request, RequestObject.self).change { $0.tokens = tokens }
    }
}

/// `pvit_request_set_image`, which pvit.h describes.
@c @implementation
public func pvit_request_set_image(
    _ request: OpaquePointer?, _ image: OpaquePointer?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> pvit_status {
    perform(error) {
        let image = try image.map { try object($0, ImageObject.self) }
        try object(request, RequestObject.self).change { $0.image = image }
    }
}

/// `pvit_request_add_region`, which pvit.h describes.
@c @implementation
public func pvit_request_add_region(
    _ request: OpaquePointer?, _ name: UnsafePointer<CChar>?, _ left: Double, _ top: Double, _ right: Double,
    _ bottom: Double, _ unit: Int32, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> pvit_status {
    perform(error) {
        let region = try region(text(name, "the name"), [left, top, right, bottom], unit)
        try object(request, RequestObject.self).change { content in
            guard !content.regions.contains(where: { $0.name == region.name }) else {
                throw PVITError(
                    .promptRegion, "two regions have the name \(region.name)", remedy: "choose another name")
            }
            content.regions.append(region)
        }
    }
}

/// A region in pixels or fractions.
///
/// - Throws: `prompt.region` for numbers that are none, and pixels that are not whole; `library.argument` for an
///   unknown unit.
func region(_ name: String, _ edges: [Double], _ unit: Int32) throws -> NamedRegion {
    switch unit {
    case PVIT_FRACTIONS: return try NamedRegion(name: name, box: edges.map { .number($0) })
    case PVIT_PIXELS:
        let pixels = edges.compactMap { Int(exactly: $0) }
        guard pixels.count == edges.count else {
            throw PVITError(
                .promptRegion, "the region \(name) has edges that are not whole numbers of pixels",
                remedy: "round them, or give fractions of the image's sides")
        }
        return try NamedRegion(name: name, box: pixels.map { .integer($0) })
    default: throw PVITError(.argument, "there is no unit \(unit): it is PVIT_PIXELS or PVIT_FRACTIONS")
    }
}

/// `pvit_request_free`, which pvit.h describes.
@c @implementation
public func pvit_request_free(_ request: OpaquePointer?) {
    HandleTable.current.remove(request, RequestObject.self)
}

/// `pvit_request_render`, which pvit.h describes.
@c @implementation
public func pvit_request_render(
    _ model: OpaquePointer?, _ request: OpaquePointer?, _ text: UnsafeMutablePointer<OpaquePointer?>?,
    _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> pvit_status {
    perform(text, error) {
        let model = try object(model, ModelObject.self)
        let request = try object(request, RequestObject.self).copy
        let resolved = try request.resolved(for: model)
        return try model.use { content in
            switch resolved {
            case .messages(let messages):
                TextObject(
                    try content.model.renderedText(of: messages, showsImage: request.image != nil).text)
            case .text(let text): TextObject(text)
            case .tokens(let tokens): TextObject(content.model.tokenizer.decode(tokens, skipSpecial: false))
            }
        }
    }
}
