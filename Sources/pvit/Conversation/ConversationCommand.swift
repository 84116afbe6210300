/// A command of a conversation: a line that begins with `/`.
enum ConversationCommand: String, CaseIterable {
    case help, image, region, system, undo, reset, slide, save, load, stats, exit

    /// The argument that makes a command remove what it sets.
    static let clearing = "clear"

    /// The syntax of the command.
    var usage: String {
        switch self {
        case .image, .save, .load: "/\(rawValue) FILE"
        case .region: "/region NAME=x1,y1,x2,y2"
        case .system: "/system TEXT"
        case .help, .undo, .reset, .slide, .stats, .exit: "/\(rawValue)"
        }
    }

    /// What the command does, for `/help`.
    var purpose: String {
        switch self {
        case .help: "show this list"
        case .image: "start a new conversation about an image"
        case .region: "name a region, for {NAME} in messages"
        case .system: "set the instructions"
        case .undo: "remove the last message and its answer"
        case .reset: "start a new conversation"
        case .slide: "drop the oldest tokens when the context is full"
        case .save: "save the conversation to a file"
        case .load: "continue a conversation from a file"
        case .stats: "show statistics of the last answer"
        case .exit: "leave"
        }
    }

    /// Whether the argument is a file name.
    var takesFile: Bool { [.image, .save, .load].contains(self) }

    /// All commands as they are typed.
    static let names = allCases.map { "/\($0.rawValue)" }

    /// The meaning of a line.
    enum Meaning: Equatable {
        case message(String)
        case command(ConversationCommand, argument: String)
        /// There is no such command. `nearest` is a command with a similar name.
        case unknown(String, nearest: String?)
    }

    /// Parses a line. `//` begins a message that begins with `/`.
    static func meaning(of line: String) -> Meaning {
        guard line.hasPrefix("/") else { return .message(line) }
        guard !line.hasPrefix("//") else { return .message(String(line.dropFirst())) }
        let name = line.dropFirst().prefix { !$0.isWhitespace }
        let argument = line.dropFirst(name.count + 1).drop(while: \.isWhitespace)
        guard let command = Self(rawValue: name.lowercased()) else {
            return .unknown("/\(name)", nearest: nearestName(to: "/\(name)", among: names))
        }
        return .command(command, argument: String(argument.trimmingTrailingWhitespace))
    }

    /// The completion that Tab offers for the beginning of a line.
    static func completion(of text: String) -> LineCompletion {
        guard text.hasPrefix("/"), !text.hasPrefix("//") else { return LineCompletion(text, candidates: []) }
        guard let space = text.firstIndex(of: " ") else {
            var completion = LineCompletion(text, candidates: names)
            if completion.choices.count == 1 { completion.certain += " " }
            return completion
        }
        let name = text[..<space].dropFirst()
        guard Self(rawValue: String(name))?.takesFile == true else { return LineCompletion(text, candidates: []) }
        return LineCompletion(path: String(text[space...].drop { $0 == " " }))
    }

    /// The text of `/help`.
    static var helpText: String {
        var table = TextTable([("command", .left), ("effect", .left)])
        for command in allCases { table.add([command.usage, command.purpose]) }
        return table.text + """

            Without an argument, /image, /region and /system show the current values.
            "clear" as the argument removes them; /region NAME= removes one region.

            A pasted text is one message, even if it has several lines. To type several
            lines, end each line but the last with \\, or put the text between \"\"\" and
            \"\"\". Write // to begin a message with /.

            Ctrl-C stops an answer or clears the line. At an empty line, pressing it
            twice leaves, and so does Ctrl-D.

            """
    }
}

extension Substring {
    fileprivate var trimmingTrailingWhitespace: Substring {
        var result = self
        while result.last?.isWhitespace == true { result.removeLast() }
        return result
    }
}
