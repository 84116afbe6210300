import PVITModel

/// The messages of a conversation, and the options for the next answer.
struct ConversationState {
    /// Messages of the user and answers of the model, in turn.
    var messages: [ChatMessage] = []
    /// Instructions for the whole conversation.
    var system: String?
    /// The image file and its regions, as options of `pvit run`.
    var imageOptions: ImageOptions
    /// The image.
    var picture: Picture?
    var options: GenerationOptions

    /// All messages, the instructions first.
    var wholeConversation: [ChatMessage] { (system.map { [ChatMessage(.system, $0)] } ?? []) + messages }

    /// Removes the last message of the user and its answer. Returns the message, or nil if there is none.
    mutating func undo() -> String? {
        guard let index = messages.lastIndex(where: { $0.role == .user }) else { return nil }
        let message = messages[index].content
        messages.removeSubrange(index...)
        return message
    }
}
