import PVITModel

/// What has been said, and under which terms the next answer is made.
struct ConversationState {
    /// What the user and the model said, in turns: after a question its answer.
    var messages: [ChatMessage] = []
    /// Instructions for the whole conversation.
    var system: String?
    /// The file of the image that the conversation is about, and its regions, as the options of `pvit run` have them.
    var imageOptions: ImageOptions
    /// The image, read.
    var picture: Picture?
    var options: GenerationOptions

    /// All messages, the instructions first.
    var wholeConversation: [ChatMessage] { (system.map { [ChatMessage(.system, $0)] } ?? []) + messages }

    /// Takes the last question and its answer back; the question, or nil when there is none.
    mutating func undo() -> String? {
        guard let place = messages.lastIndex(where: { $0.role == .user }) else { return nil }
        let question = messages[place].content
        messages.removeSubrange(place...)
        return question
    }
}
