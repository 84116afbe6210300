import Glibc
import PVITModel
import Storage
import SystemPackage

/// A saved conversation: a JSON file of instructions, messages, and the paths and regions of its image.
struct ConversationFile {
    private static let format = "pvit conversation"
    private static let version = 1
    /// The maximum size of a file.
    private static let maximumByteCount: UInt64 = 256 << 20

    var system: String?
    var messages: [ChatMessage] = []
    /// The image's path, absolute.
    var image: String?
    /// The regions, as arguments of `--region`.
    var regions: [String] = []

    /// Creates the file's content from a conversation.
    init(_ state: ConversationState) {
        system = state.system
        messages = state.messages
        image = state.imageOptions.image.first.map { absolutePath($0).string }
        regions = state.imageOptions.region
    }

    /// Reads a file.
    ///
    /// - Throws: The errors of reading it, and `conversation.file` if it is not a conversation.
    init(contentsOf path: FilePath) throws {
        func malformed(_ problem: String) -> PVITError {
            PVITError(.conversationFile, problem, file: path, remedy: "give a file that /save wrote")
        }
        let file = try MappedFile(path: path)
        guard file.byteCount <= Self.maximumByteCount else {
            throw malformed("the file is too large for a conversation")
        }
        let bytes = try file.withBytes(0..<file.byteCount) { try $0.copyBytes(0..<$0.byteCount) }
        let value: JSONValue
        do { value = try JSONValue(parsing: bytes) } catch let error as PVITError { throw malformed(error.what) }
        guard value["format"]?.string == Self.format else { throw malformed("the file is not a conversation") }
        guard value["version"]?.integer == Self.version else {
            throw malformed("this version of pvit does not know the version of the conversation's format")
        }
        system = value["system"]?.string
        image = value["image"]?.string
        regions = value["regions"]?.array?.compactMap(\.string) ?? []
        guard let list = value["messages"]?.array, list.count % 2 == 0 else {
            throw malformed("the conversation does not consist of pairs of a message and an answer")
        }
        for (index, item) in list.enumerated() {
            let role = index % 2 == 0 ? ChatMessage.Role.user : .assistant
            guard item["role"]?.string == role.rawValue, let content = item["content"]?.string else {
                throw malformed("message \(index + 1) of the conversation is not from the \(role)")
            }
            messages.append(ChatMessage(role, content))
        }
    }

    /// Writes the file.
    ///
    /// - Throws: `file.cannot-create` if the file exists and is not a conversation, and the errors of writing.
    func write(to path: FilePath) throws {
        var status = stat()
        if stat(path.string, &status) == 0, status.st_size > 0 || status.st_mode & S_IFMT != S_IFREG {
            guard status.st_mode & S_IFMT == S_IFREG, (try? ConversationFile(contentsOf: path)) != nil else {
                throw PVITError(
                    .cannotCreate, "the file exists and is not a conversation", file: path,
                    remedy: "choose another name, or remove the file first")
            }
        }
        var output = try OutputFile(path: path)
        try output.append(json.encoded(indentation: 2) + [UInt8(ascii: "\n")])
        try output.commit()
    }

    private var json: JSONValue {
        var object: JSONObject = ["format": .string(Self.format), "version": .integer(Self.version)]
        object["system"] = system.map { .string($0) }
        object["image"] = image.map { .string($0) }
        if !regions.isEmpty { object["regions"] = .array(regions.map { .string($0) }) }
        object["messages"] = .array(
            messages.map { ["role": .string($0.role.rawValue), "content": .string($0.content)] })
        return .object(object)
    }
}

/// Makes a path absolute.
func absolutePath(_ path: FilePath) -> FilePath {
    guard path.isRelative, let folder = getcwd(nil, 0) else { return path }
    defer { free(folder) }
    return FilePath(platformString: folder).pushing(path)
}

/// Expands `~` in a path that the user typed.
func expandingHome(_ path: String) -> FilePath {
    guard path == "~" || path.hasPrefix("~/"), let home = getenv("HOME") else { return FilePath(path) }
    return FilePath(String(cString: home) + path.dropFirst())
}

extension PVITError.Code {
    /// A file is not a conversation that `/save` wrote.
    static let conversationFile = Self("conversation.file", .badData)
}
