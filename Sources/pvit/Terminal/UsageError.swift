import ArgumentParser

/// What is wrong with a command line: one line that says how it is meant.
struct UsageError {
    /// The line.
    let message: String

    /// - Parameters:
    ///   - error: What parsing or checking the arguments threw.
    ///   - arguments: The command line without the program's name.
    /// - Returns: nil when the error is not about the command line.
    init?(_ error: any Error, arguments: [String]) {
        guard PVITCommand.exitCode(for: error) == .validationFailure else { return nil }
        let command = Self.command(of: arguments)
        let hint = "see \((["pvit"] + command.path + ["--help"]).joined(separator: " "))"
        // A group of short options may be wrong in two ways, which are two lines.
        var text = PVITCommand.message(for: error).split(separator: "\n").first.map(String.init) ?? ""
        if text.hasSuffix("."), !text.hasSuffix("..") { text.removeLast() }
        if let name = text.firstMatch(of: /^Unknown option '([^']*)'/)?.1 {
            message = Self.unknownOption(String(name), of: command.type, arguments, hint)
        } else if let next = arguments.dropFirst(command.path.count).first, !next.hasPrefix("-"),
            case let names = command.type.configuration.subcommands.map({ $0._commandName }), !names.isEmpty
        {
            message =
                "there is no command \"\((command.path + [next]).joined(separator: " "))\""
                + Self.suggestion(nearestName(to: next, among: names), hint)
        } else if text.hasPrefix("Unexpected argument") || text.contains(" unexpected arguments") {
            message = "\(Self.lowercased(text)): put a text of several words between quotation marks, or \(hint)"
        } else if let (value, option, kind) = text.firstMatch(of: /^The value '(.*)' is invalid for '(\S+) <(.*)>'/)
            .map({
                ($0.1, String($0.2), String($0.3))
            }), let wanted = Self.kinds[option] ?? Self.kinds[kind]
        {
            message = "\(option) takes \(wanted), and \"\(value)\" is none: \(hint)"
        } else {
            message = "\(Self.lowercased(text)): \(hint)"
        }
    }

    /// What options take, by their name or by what their help calls it.
    private static let kinds = [
        "--seed": "a whole number from 0 to \(UInt64.max)",
        "n": "a whole number that is not too large", "k": "a whole number that is not too large", "t": "a number",
        "p": "a number", "factor": "a number", "size": "a size such as 2GiB or 500MB",
        "n,n,…": "whole numbers from 0 to a million, divided by commas", "shard-size": "a size such as 2GiB or 500MB",
    ]

    /// What is said of an option that a command does not have.
    private static func unknownOption(
        _ name: String, of command: any ParsableCommand.Type, _ arguments: [String], _ hint: String
    ) -> String {
        // Options are words; what else begins with a hyphen is a text, or a number.
        let place = arguments.firstIndex { $0.hasPrefix(name) }
        let argument = place.map { arguments[$0] } ?? name
        if let place, place > 0, Double(argument) != nil, arguments[place - 1].hasPrefix("--") {
            return "\(arguments[place - 1]) takes no negative number: \(hint)"
        }
        if !argument.hasPrefix("--"),
            argument.contains(where: { $0 == " " }) || argument.dropFirst().first?.isLetter != true
        {
            return "\"\(argument)\" begins with - and is taken for an option: put -- in front of a text that does"
        }
        let nearest = nearestName(to: name, among: optionNames(of: command))
        return "there is no option \(name)" + suggestion(nearest, hint)
    }

    private static func suggestion(_ nearest: String?, _ hint: String) -> String {
        nearest.map { ": did you mean \($0)?" } ?? ": \(hint)"
    }

    /// The long options of a command, as its help shows them.
    private static func optionNames(of command: any ParsableCommand.Type) -> [String] {
        let lines = PVITCommand.helpMessage(for: command, columns: 10_000).split(separator: "\n")
        return lines.filter { $0.hasPrefix("  -") }.flatMap { line in
            line.split(separator: "  ").first.map { $0.matches(of: /--[a-z0-9-]+/).map { String($0.0) } } ?? []
        }
    }

    /// The command that arguments begin with.
    private static func command(of arguments: [String]) -> (type: any ParsableCommand.Type, path: [String]) {
        var type: any ParsableCommand.Type = PVITCommand.self
        var path: [String] = []
        for argument in arguments {
            guard let next = type.configuration.subcommands.first(where: { $0._commandName == argument }) else { break }
            type = next
            path.append(argument)
        }
        return (type, path)
    }

    private static func lowercased(_ text: String) -> String { text.prefix(1).lowercased() + text.dropFirst() }
}
