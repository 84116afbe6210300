/// What a call is given.
struct JinjaArguments {
    var positional: [JinjaValue] = []
    var named: [(name: String, value: JinjaValue)] = []

    /// The arguments in the order of parameters; nil for those that are not given.
    ///
    /// - Parameters:
    ///   - required: How many of the first must be given.
    /// - Throws: `chat.template` when arguments and parameters do not agree.
    func bound(to parameters: [String], of function: String, required: Int = 0) throws -> [JinjaValue?] {
        guard positional.count <= parameters.count else {
            throw JinjaError.runtime("\(function) takes at most \(parameters.count) arguments")
        }
        var result: [JinjaValue?] = positional + Array(repeating: nil, count: parameters.count - positional.count)
        for (name, value) in named {
            guard let place = parameters.firstIndex(of: name), result[place].isAbsent else {
                throw JinjaError.runtime("\(function) does not take the argument '\(name)' here")
            }
            result[place] = value
        }
        guard result.prefix(required).allSatisfy({ !$0.isAbsent }) else {
            throw JinjaError.runtime("\(function) needs \(required) arguments")
        }
        return result
    }

    /// The same without the first ones.
    func dropping(_ count: Int) -> JinjaArguments {
        JinjaArguments(positional: Array(positional.dropFirst(count)), named: named)
    }
}

extension Optional where Wrapped == JinjaValue {
    /// Whether the argument is not given.
    var isAbsent: Bool { if case .some = self { false } else { true } }

    /// The argument, which is given or `none`.
    var orNone: JinjaValue { self ?? JinjaValue.none }
}
