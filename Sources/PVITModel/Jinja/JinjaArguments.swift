/// The arguments of a call.
struct JinjaArguments {
    var positional: [JinjaValue] = []
    var named: [(name: String, value: JinjaValue)] = []

    /// The arguments in the order of the parameters, with nil for those that are missing.
    ///
    /// - Parameters:
    ///   - parameters: The names of the parameters.
    ///   - function: The name of the function, for error messages.
    ///   - required: The number of leading parameters that must have an argument.
    /// - Throws: `chat.template` if arguments and parameters do not agree.
    func bound(to parameters: [String], of function: String, required: Int = 0) throws -> [JinjaValue?] {
        guard positional.count <= parameters.count else {
            throw JinjaError.runtime("\(function) takes at most \(parameters.count) arguments")
        }
        var result: [JinjaValue?] = positional + Array(repeating: nil, count: parameters.count - positional.count)
        for (name, value) in named {
            guard let index = parameters.firstIndex(of: name), result[index].isAbsent else {
                throw JinjaError.runtime("\(function) does not take the argument '\(name)' here")
            }
            result[index] = value
        }
        guard result.prefix(required).allSatisfy({ !$0.isAbsent }) else {
            throw JinjaError.runtime("\(function) needs \(required) arguments")
        }
        return result
    }

    /// The arguments without the first `count` positional ones.
    func dropping(_ count: Int) -> JinjaArguments {
        JinjaArguments(positional: Array(positional.dropFirst(count)), named: named)
    }
}

extension Optional where Wrapped == JinjaValue {
    /// Whether the argument is missing.
    var isAbsent: Bool { if case .some = self { false } else { true } }

    /// The argument, or `none` if it is missing.
    var orNone: JinjaValue { self ?? JinjaValue.none }
}
