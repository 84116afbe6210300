extension JinjaRenderer {
    func applySequenceFilter(
        _ name: String, to value: JinjaValue, _ arguments: JinjaArguments
    ) throws -> JinjaValue {
        switch name {
        case "first":
            _ = try arguments.bound(to: [], of: name)
            if case .iterator(let iterator) = value { return try iterator.next() ?? Self.noElement }
            if case .string(let text) = value { return text.scalars.first.map(Self.character) ?? Self.noElement }
            return try elements(of: value).first ?? Self.noElement
        case "last":
            _ = try arguments.bound(to: [], of: name)
            if case .iterator = value { throw JinjaError.runtime("an iterator has no last element") }
            if case .string(let text) = value { return text.scalars.last.map(Self.character) ?? Self.noElement }
            return try elements(of: value).last ?? Self.noElement
        case "reverse":
            _ = try arguments.bound(to: [], of: name)
            if case .string(let text) = value {
                try budget.spend(text.count)
                var reversed = JinjaString(text.scalars.reversed())
                reversed.isMarkup = text.isMarkup
                return .string(reversed)
            }
            if case .iterator(let iterator) = value { return try list(try iterator.takeAll().reversed()) }
            return .iterator(try JinjaIterator(try elements(of: value).reversed()))
        case "join":
            let bound = try arguments.bound(to: ["d", "attribute"], of: name)
            let separator = try bound[0].map { try text(of: $0) } ?? ""
            var elements = try elements(of: value)
            if let path = bound[1], !path.isNone { elements = try elements.map { try member(path, of: $0) } }
            return .string(try join(try elements.map { try text(of: $0) }, separator))
        case "sum":
            let bound = try arguments.bound(to: ["attribute", "start"], of: name)
            var elements = try elements(of: value)
            if let path = bound[0], !path.isNone { elements = try elements.map { try member(path, of: $0) } }
            let start = bound[1] ?? .integer(0)
            if case .string = start { throw JinjaError.runtime("sum does not join strings") }
            return try elements.reduce(start) { try calculate(.add, $0, $1) }
        case "min", "max":
            let bound = try arguments.bound(to: ["case_sensitive", "attribute"], of: name)
            let isSensitive = bound[0].orNone.isTrue
            var best: (key: JinjaValue, value: JinjaValue)?
            for element in try elements(of: value) {
                let key = try sortKey(bound[1], of: element, isSensitive: isSensitive)
                if let current = best {
                    let order = try compare(key, current.key)
                    guard let order, name == "min" ? order < 0 : order > 0 else { continue }
                }
                best = (key, element)
            }
            return best?.value ?? Self.noElement
        case "sort": return try sort(value, arguments)
        case "dictsort": return try sortDictionary(value, arguments)
        case "unique":
            let bound = try arguments.bound(to: ["case_sensitive", "attribute"], of: name)
            var seen: Set<JinjaKey> = []
            return .iterator(
                try .mapping(try elements(of: value)) { element in
                    let key = try sortKey(bound[1], of: element, isSensitive: bound[0].orNone.isTrue)
                    return seen.insert(try self.key(key)).inserted ? element : nil
                })
        default: return try group(name, value, arguments)
        }
    }

    private static var noElement: JinjaValue { .undefined("there is no element") }

    private static func character(_ scalar: PromptScalar) -> JinjaValue {
        .string(JinjaString(CollectionOfOne(scalar)))
    }

    /// The filters `batch` and `slice`: groups of a given size, or a given number of groups.
    private func group(_ name: String, _ value: JinjaValue, _ arguments: JinjaArguments) throws -> JinjaValue {
        let bound = try arguments.bound(
            to: [name == "batch" ? "linecount" : "slices", "fill_with"], of: name, required: 1)
        let count = try integer(bound[0].orNone, for: name)
        guard count > 0 else { throw JinjaError.runtime("\(name) needs a number above 0") }
        let fill = bound[1].flatMap { $0.isNone ? nil : $0 }
        let elements = try elements(of: value)
        var groups: [[JinjaValue]] = []
        if name == "batch" {
            for start in stride(from: 0, to: elements.count, by: count) {
                groups.append(Array(elements[start..<min(elements.count, start &+ min(count, elements.count))]))
            }
            if let fill, let last = groups.popLast() {
                try budget.spend(count - last.count, each: JinjaBudget.elementCost)
                groups.append(last + Array(repeating: fill, count: count - last.count))
            }
        } else {
            try budget.spend(count, each: JinjaBudget.elementCost)
            let (size, more) = (elements.count / count, elements.count % count)
            var start = 0
            for index in 0..<count {
                let end = start + size + (index < more ? 1 : 0)
                groups.append(Array(elements[start..<end]) + (index >= more ? [fill].compactMap(\.self) : []))
                start = end
            }
        }
        return .iterator(try JinjaIterator(try groups.map { try list($0) }))
    }

    /// The sort key of an element: itself or a member. Strings are compared without regard to case unless
    /// `isSensitive`.
    func sortKey(_ path: JinjaValue?, of element: JinjaValue, isSensitive: Bool) throws -> JinjaValue {
        let key = path.orNone.isNone ? element : try member(path.orNone, of: element)
        guard !isSensitive, case .string(let text) = key else { return key }
        try budget.spend(text.count, each: JinjaBudget.propertyCost)
        return .string(text.lowercased)
    }

    private func sort(_ value: JinjaValue, _ arguments: JinjaArguments) throws -> JinjaValue {
        let bound = try arguments.bound(to: ["reverse", "case_sensitive", "attribute"], of: "sort")
        let isSensitive = bound[1].orNone.isTrue
        var paths = [bound[2]]
        if case .string(let text)? = bound[2] {
            paths = try text.split(",", budget).map { .string($0) }
        }
        let keyed = try elements(of: value).map { element in
            (key: try paths.map { try sortKey($0, of: element, isSensitive: isSensitive) }, value: element)
        }
        return try list(try sorted(keyed, isReversed: bound[0].orNone.isTrue))
    }

    /// Sorts values by their keys. The sort is stable, as in Python.
    func sorted(_ keyed: [(key: [JinjaValue], value: JinjaValue)], isReversed: Bool) throws -> [JinjaValue] {
        func isBefore(_ left: [JinjaValue], _ right: [JinjaValue]) throws -> Bool {
            for (a, b) in zip(left, right) where try !equal(a, b) { return try (compare(a, b) ?? 0) < 0 }
            return false
        }
        return try keyed.sorted { try isReversed ? isBefore($1.key, $0.key) : isBefore($0.key, $1.key) }.map(\.value)
    }

    private func sortDictionary(_ value: JinjaValue, _ arguments: JinjaArguments) throws -> JinjaValue {
        let bound = try arguments.bound(to: ["case_sensitive", "by", "reverse"], of: "dictsort")
        guard case .dictionary(let members) = value else {
            throw JinjaError.runtime("dictsort needs a dictionary, not \(value.typeName)")
        }
        let by = try bound[1].map { try string($0, for: "dictsort").text } ?? "key"
        guard by == "key" || by == "value" else { throw JinjaError.runtime("dictsort sorts by 'key' or 'value'") }
        let keyed = try members.entries.map { entry in
            (
                key: [
                    try sortKey(nil, of: by == "key" ? entry.key : entry.value, isSensitive: bound[0].orNone.isTrue)
                ], value: try list([entry.key, entry.value], .tuple)
            )
        }
        return try list(try sorted(keyed, isReversed: bound[2].orNone.isTrue))
    }
}
