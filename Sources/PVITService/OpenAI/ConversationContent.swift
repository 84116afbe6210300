import PVITModel
import Storage
import SystemPackage

/// The messages of a chat request, with the image and the regions that they are about.
struct ConversationContent: Sendable {
    /// The messages. Regions stand in them as names in braces, or as PVIT writes them.
    private(set) var messages: [ChatMessage] = []
    /// The image: its bytes, or the path of its file, and where it stands in the request.
    private(set) var image: (source: ImageSource, param: String)?
    /// The regions that texts refer to by name.
    private(set) var regions: [NamedRegion] = []

    /// Where an image comes from.
    enum ImageSource: Sendable {
        case bytes([UInt8])
        case file(FilePath)
    }

    private let mediaFolder: FilePath?
    private var unnamedCount = 0

    private static let imageMark = "<image>"
    private static let messageLimit = 4096

    /// - Parameters:
    ///   - messages: The member `messages`.
    ///   - mediaFolder: The folder of files that an image may name.
    /// - Throws: A `ServiceError` that names the member at fault.
    init(_ messages: [JSONValue], mediaFolder: FilePath?) throws {
        self.mediaFolder = mediaFolder
        guard !messages.isEmpty, messages.count <= Self.messageLimit else {
            throw ServiceError.invalid("messages must have from 1 to \(Self.messageLimit) elements", param: "messages")
        }
        for (index, value) in messages.enumerated() {
            let message = try RequestObject(value, path: "messages[\(index)]")
            self.messages.append(ChatMessage(try Self.role(of: message), try content(of: message)))
        }
    }

    private static func role(of message: RequestObject) throws -> ChatMessage.Role {
        switch try message.string("role") {
        case "system", "developer": return .system
        case "user": return .user
        case "assistant":
            guard message["tool_calls"] == nil, message["function_call"] == nil else {
                throw message.invalid("tool_calls", "is not supported in messages of the conversation")
            }
            return .assistant
        case nil: throw message.invalid("role", "is missing")
        case let role?:
            throw message.invalid("role", "is \"\(role)\", but it must be system, developer, user or assistant")
        }
    }

    private mutating func content(of message: RequestObject) throws -> String {
        guard let content = message["content"] else {
            // An assistant's message may have no content, such as one that was cut before its first word.
            guard try message.string("role") == "assistant" else { throw message.invalid("content", "is missing") }
            return ""
        }
        if let text = content.string { return text }
        guard let parts = content.array else {
            throw message.invalid("content", "is neither a string nor an array of parts")
        }
        // Texts are separated by a line break; an unnamed region stands where its part stands.
        var text = ""
        var hasImage = false
        var endsWithText = false
        for (index, value) in parts.enumerated() {
            let part = try RequestObject(value, path: message.path(of: "content[\(index)]"))
            switch try part.string("type") {
            case "text", "input_text":
                guard let more = try part.string("text") else { throw part.invalid("text", "is missing") }
                text += endsWithText ? "\n" + more : more
                endsWithText = true
            case "image_url", "input_image":
                try addImage(part)
                hasImage = true
            case "region":
                if let name = try addRegion(part) {
                    text += "{\(name)}"
                    endsWithText = false
                }
            case "refusal": continue
            case nil: throw part.invalid("type", "is missing")
            case let type?:
                throw part.invalid("type", "is \"\(type)\", but it must be text, image_url or region")
            }
        }
        if hasImage, !text.contains(Self.imageMark) { text = "\(Self.imageMark)\n\(text)" }
        return text
    }

    private mutating func addImage(_ part: RequestObject) throws {
        guard let value = part["image_url"] else { throw part.invalid("image_url", "is missing") }
        let url: String
        if let string = value.string {
            url = string
        } else if let string = try RequestObject(value, path: part.path(of: "image_url")).string("url") {
            url = string
        } else {
            throw part.invalid("image_url", "has no url")
        }
        let param = part.path(of: "image_url")
        guard image == nil else {
            throw ServiceError.invalid("\(param): a conversation can be about one image only", param: param)
        }
        image = (try ImageURL.source(of: url, param: param, mediaFolder: mediaFolder), param)
    }

    /// Adds a region. Returns its name if it stands where its part stands.
    private mutating func addRegion(_ part: RequestObject) throws -> String? {
        guard let box = try part.array("box") else { throw part.invalid("box", "is missing") }
        let name = try part.string("name")
        let region: NamedRegion
        do {
            region = try NamedRegion(name: name ?? unusedName(), box: box)
        } catch {
            throw ServiceError(error, whileComputing: false, param: part.path(of: name == nil ? "box" : "name"))
        }
        guard let same = regions.first(where: { $0.name == region.name }) else {
            regions.append(region)
            return name == nil ? region.name : nil
        }
        // A client sends the whole conversation again with every request.
        guard same == region else {
            throw part.invalid("name", "\"\(region.name)\" is the name of two different regions")
        }
        return nil
    }

    private mutating func unusedName() -> String {
        unnamedCount += 1
        return "unnamed-region-\(unnamedCount)"
    }

    /// The messages with regions in PVIT's syntax.
    ///
    /// - Throws: `prompt.region` for a region beyond the image, and for one that no message mentions.
    func messages(about image: PreparedImage?) throws -> [ChatMessage] {
        guard !regions.isEmpty else { return messages }
        guard let image else {
            throw PVITError(.promptRegion, "the request has a region, but no image", remedy: "send the image as well")
        }
        var unused = Set(regions.map(\.name))
        let result = try messages.map { message in
            let (text, others) = try NamedRegion.insert(
                regions, into: message.content, size: image.size, orientation: image.orientation)
            unused.formIntersection(others)
            return ChatMessage(message.role, text)
        }
        if let name = regions.map(\.name).first(where: unused.contains) {
            throw PVITError(
                .promptRegion, "no message mentions the region \(name)", remedy: "write {\(name)} in a message")
        }
        return result
    }
}
