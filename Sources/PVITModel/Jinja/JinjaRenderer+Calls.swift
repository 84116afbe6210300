#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

extension JinjaRenderer {
    /// The names of the built-in functions.
    static let globals: Set = ["raise_exception", "strftime_now", "namespace", "range", "dict", "joiner"]

    func call(_ callee: JinjaValue, _ arguments: JinjaArguments) throws -> JinjaValue {
        try budget.spend(arguments.positional.count + arguments.named.count, each: JinjaBudget.elementCost)
        switch callee {
        case .function(.global(let name)): return try callGlobal(name, arguments)
        case .function(.method(let base, let name)): return try callMethod(name, of: base, arguments)
        case .function(.macro(let macro)): return try call(macro, arguments)
        case .function(.joiner(let counter, let separator)):
            defer { counter.count += 1 }
            return counter.count == 0 ? .text("") : separator
        case .loop(let loop):
            guard loop.tag.isRecursive else { throw JinjaError.runtime("a loop that is not 'recursive' is called") }
            let sequence = try arguments.bound(to: ["iterable"], of: "loop", required: 1)[0].orNone
            return .string(
                try inScope(loop.scope) {
                    try capture {
                        try nested { try run(loop.tag, over: sequence, depth: loop.depth + 1) }
                        return .normal
                    }
                })
        case .undefined(let words): throw JinjaError.runtime(words)
        default: throw JinjaError.runtime("\(callee.typeName) is called as a function")
        }
    }

    private func callMethod(_ name: String, of base: JinjaValue, _ arguments: JinjaArguments) throws -> JinjaValue {
        switch base {
        case .string(let text): return try callString(name, text, arguments)
        case .dictionary(let members): return try callDictionary(name, members, arguments)
        case .list(let list): return try callSequence(name, list.elements, arguments)
        case .range(let range): return try callSequence(name, range.elements, arguments)
        case .loop(let loop) where name == "changed":
            return .bool(try hasChanged(loop, arguments.positional))
        case .loop(let loop) where name == "cycle":
            guard !arguments.positional.isEmpty else { throw JinjaError.runtime("cycle needs values") }
            return arguments.positional[loop.index % arguments.positional.count]
        default: throw JinjaError.runtime("the method \(name) is not supported")
        }
    }

    private func call(_ macro: JinjaMacro, _ arguments: JinjaArguments) throws -> JinjaValue {
        let definition = macro.definition
        let inner = JinjaScope(in: macro.scope)
        var named = arguments.named
        func takeNamed(_ name: String) -> JinjaValue? {
            named.firstIndex { $0.name == name }.map { named.remove(at: $0).value }
        }
        let caller = definition.takesCaller && !definition.parameters.contains { $0.name == "caller" }
        var missing: [JinjaParameter] = []
        for (index, parameter) in definition.parameters.enumerated() {
            if index < arguments.positional.count {
                inner.variables[parameter.name] = arguments.positional[index]
            } else if let value = takeNamed(parameter.name) {
                inner.variables[parameter.name] = value
            } else {
                missing.append(parameter)
            }
        }
        if caller { inner.variables["caller"] = takeNamed("caller") ?? .undefined("there is no caller") }
        let more = arguments.positional.dropFirst(definition.parameters.count)
        guard more.isEmpty || definition.takesMore else {
            throw JinjaError.runtime("the macro '\(definition.name)' has fewer parameters than arguments are given")
        }
        if definition.takesMore { inner.variables["varargs"] = try list(Array(more), .tuple) }
        if definition.takesMoreNamed {
            inner.variables["kwargs"] = .dictionary(try JinjaDictionary(named.map { (.text($0.name), $0.value) }))
        } else if let first = named.first {
            throw JinjaError.runtime("the macro '\(definition.name)' does not take the argument '\(first.name)' here")
        }
        return .string(
            try inScope(inner) {
                for parameter in missing {
                    inner.variables[parameter.name] =
                        try parameter.fallback.map { try value(of: $0) }
                        ?? .undefined("the parameter '\(parameter.name)' was not given")
                }
                return try capture { try run(definition.body) }
            })
    }

    private func callGlobal(_ name: String, _ arguments: JinjaArguments) throws -> JinjaValue {
        switch name {
        case "raise_exception":
            let message = try arguments.bound(to: ["message"], of: name, required: 1)[0].orNone
            throw JinjaError.runtime(try text(of: message).text)
        case "strftime_now":
            let format = try arguments.bound(to: ["format"], of: name, required: 1)[0].orNone
            return .string(JinjaString(try Self.date(string(format, for: name).text)))
        case "namespace":
            return makeNamespace(try dictionary(arguments))
        case "dict": return .dictionary(try dictionary(arguments))
        case "joiner":
            let separator = try arguments.bound(to: ["sep"], of: name)[0] ?? .text(", ")
            return .function(.joiner(JinjaCounter(), separator: separator))
        case "range":
            let bounds = try arguments.positional.map { try integer($0, for: name) }
            guard arguments.named.isEmpty, (1...3).contains(bounds.count) else {
                throw JinjaError.runtime("range needs one to three whole numbers")
            }
            let range = JinjaRange(
                start: bounds.count == 1 ? 0 : bounds[0], end: bounds.count == 1 ? bounds[0] : bounds[1],
                step: bounds.count == 3 ? bounds[2] : 1)
            guard range.step != 0 else { throw JinjaError.runtime("range has steps of 0") }
            guard range.count <= JinjaRange.maximumCount else {
                throw JinjaError.runtime("a range has more than \(JinjaRange.maximumCount) numbers")
            }
            return .range(range)
        default: throw JinjaError.runtime("the function \(name) is not supported")
        }
    }

    /// The function `dict`, as in Python.
    private func dictionary(_ arguments: JinjaArguments) throws -> JinjaDictionary {
        var entries: [JinjaDictionary.Entry] = []
        guard arguments.positional.count <= 1 else { throw JinjaError.runtime("dict takes one argument") }
        if case .dictionary(let members)? = arguments.positional.first {
            entries = members.entries
        } else if let pairs = arguments.positional.first {
            entries = try elements(of: pairs).map { pair in
                let members = try elements(of: pair)
                guard members.count == 2 else { throw JinjaError.runtime("dict needs pairs") }
                return (members[0], members[1])
            }
        }
        return try JinjaDictionary(entries + arguments.named.map { (.text($0.name), $0.value) })
    }

    /// The local time, formatted as Python's `strftime` does it.
    private static func date(_ format: String) throws -> String {
        guard format.utf8.count <= 1000, !format.utf8.contains(0) else {
            throw JinjaError.runtime("the format of a date is longer than 1000 bytes")
        }
        var now = time(nil)
        var time = unsafe tm()
        unsafe localtime_r(&now, &time)
        // The leading space distinguishes an empty result from a failure.
        var buffer = [CChar](repeating: 0, count: 100_000)
        let count = unsafe strftime(&buffer, buffer.count, " " + format, &time)
        guard count > 0 else { throw JinjaError.runtime("the format of a date is too long") }
        return String(decoding: buffer[1..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    // MARK: Typed arguments

    func string(_ value: JinjaValue, for function: String) throws -> JinjaString {
        guard case .string(let text) = value else {
            if case .undefined(let words) = value { throw JinjaError.runtime(words) }
            throw JinjaError.runtime("\(function) needs a string, not \(value.typeName)")
        }
        return text
    }

    func integer(_ value: JinjaValue, for function: String) throws -> Int {
        guard let number = value.integer else {
            if case .undefined(let words) = value { throw JinjaError.runtime(words) }
            throw JinjaError.runtime("\(function) needs a whole number, not \(value.typeName)")
        }
        return number
    }
}
