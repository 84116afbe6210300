/// A message of a conversation.
public struct ChatMessage: Sendable, Hashable {
    /// Who wrote a message.
    public enum Role: String, Sendable, Hashable {
        /// Instructions for the whole conversation. Only the first message may have this role.
        case system
        /// The person.
        case user
        /// The model.
        case assistant
    }

    /// Who wrote the message.
    public var role: Role
    /// The text.
    public var content: String

    /// Creates a message.
    public init(_ role: Role, _ content: String) {
        self.role = role
        self.content = content
    }
}
