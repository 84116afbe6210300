/// What a line that begins with `/` asks for.
enum ConversationCommand: String, CaseIterable {
    case help, image, region, system, undo, reset, slide, save, load, stats, exit

    /// The word after which the command takes something away.
    static let clearing = "clear"

    /// How the command is written.
    var usage: String {
        switch self {
        case .image, .save, .load: "/\(rawValue) FILE"
        case .region: "/region NAME=x1,y1,x2,y2"
        case .system: "/system TEXT"
        case .help, .undo, .reset, .slide, .stats, .exit: "/\(rawValue)"
        }
    }

    /// What it does, in few words.
    var purpose: String {
        switch self {
        case .help: "shows this"
        case .image: "begins a new conversation about an image"
        case .region: "names a region for {NAME} in questions"
        case .system: "gives instructions for the conversation"
        case .undo: "takes the last question and answer back"
        case .reset: "begins a new conversation"
        case .slide: "drops the oldest part where the context is full"
        case .save: "writes the conversation to a file"
        case .load: "goes on with a conversation from a file"
        case .stats: "shows the figures of the last answer"
        case .exit: "leaves"
        }
    }

    /// Whether what follows is a file.
    var takesFile: Bool { [.image, .save, .load].contains(self) }

    /// All commands as a person writes them.
    static let names = allCases.map { "/\($0.rawValue)" }

    /// What a line means.
    enum Meaning: Equatable {
        case message(String)
        case command(ConversationCommand, argument: String)
        /// There is no such command; the nearest one, if one is near.
        case unknown(String, nearest: String?)
    }

    /// Reads a line. A message that begins with `/` is written with `//`.
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

    /// What Tab offers for the beginning of a line.
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

    /// What `/help` says.
    static var helpText: String {
        var table = TextTable([("command", .left), ("what it does", .left)])
        for command in allCases { table.add([command.usage, command.purpose]) }
        return table.text + """

            /image, /region and /system alone show what there is, and with "clear"
            take it away; /region NAME= takes one region away.

            A pasted text is one message, whatever its lines. A line that ends in \\
            goes on in the next one, and so does a text between \"\"\" and \"\"\".
            A message that begins with / is written with //.

            Ctrl-C stops an answer, or clears the line; at an empty line it leaves when
            pressed twice. Ctrl-D leaves, too.

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
