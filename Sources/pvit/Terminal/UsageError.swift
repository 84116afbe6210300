import ArgumentParser

/// An error in the command line, as a single line.
struct UsageError {
    /// The line.
    let message: String

    /// - Parameters:
    ///   - error: The error of parsing or validating the arguments.
    ///   - arguments: The command line without the program's name.
    /// - Returns: nil if the error is not about the command line.
    init?(_ error: any Error, arguments: [String]) {
        guard PVITCommand.exitCode(for: error) == .validationFailure else { return nil }
        let command = Self.command(of: arguments)
        let hint = "see \((["pvit"] + command.path + ["--help"]).joined(separator: " "))"
        // Two errors in a group of short options make two lines. Use the first.
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
            message = "\(Self.lowercased(text)): put a text of several words in quotation marks, or \(hint)"
        } else if let (value, option, kind) = text.firstMatch(of: /^The value '(.*)' is invalid for '(\S+) <(.*)>'/)
            .map({
                ($0.1, String($0.2), String($0.3))
            }), let wanted = Self.kinds[option] ?? Self.kinds[kind]
        {
            message = "\(option) takes \(wanted), but \"\(value)\" is given: \(hint)"
        } else {
            message = "\(Self.lowercased(text)): \(hint)"
        }
    }

    /// The values that options take, by the option's name or the name of its value.
    private static let kinds = [
        "--seed": "a whole number from 0 to \(UInt64.max)",
        "n": "a whole number in range", "k": "a whole number in range", "t": "a number",
        "p": "a number", "factor": "a number", "size": "a size such as 2GiB or 500MB",
        "n,n,…": "whole numbers from 0 to a million, separated by commas", "shard-size": "a size such as 2GiB or 500MB",
    ]

    /// The message for an option that a command does not have.
    private static func unknownOption(
        _ name: String, of command: any ParsableCommand.Type, _ arguments: [String], _ hint: String
    ) -> String {
        // Options are words. Anything else that begins with a hyphen is a text or a number.
        let index = arguments.firstIndex { $0.hasPrefix(name) }
        let argument = index.map { arguments[$0] } ?? name
        if let index, index > 0, Double(argument) != nil, arguments[index - 1].hasPrefix("--") {
            return "\(arguments[index - 1]) takes no negative number: \(hint)"
        }
        if !argument.hasPrefix("--"),
            argument.contains(where: { $0 == " " }) || argument.dropFirst().first?.isLetter != true
        {
            return "\"\(argument)\" begins with - and is taken for an option: put -- before such a text"
        }
        let nearest = nearestName(to: name, among: optionNames(of: command))
        return "there is no option \(name)" + suggestion(nearest, hint)
    }

    private static func suggestion(_ nearest: String?, _ hint: String) -> String {
        nearest.map { ": did you mean \($0)?" } ?? ": \(hint)"
    }

    /// The long options of a command, taken from its help.
    private static func optionNames(of command: any ParsableCommand.Type) -> [String] {
        let lines = PVITCommand.helpMessage(for: command, columns: 10_000).split(separator: "\n")
        return lines.filter { $0.hasPrefix("  -") }.flatMap { line in
            line.split(separator: "  ").first.map { $0.matches(of: /--[a-z0-9-]+/).map { String($0.0) } } ?? []
        }
    }

    /// The command that the arguments begin with.
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
