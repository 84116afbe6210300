extension JinjaString {
    /// The first index, from `start` on, at which another text occurs. The empty text occurs everywhere.
    func firstIndex(of other: JinjaString, from start: Int, _ budget: JinjaBudget) throws -> Int? {
        guard start <= count else { return nil }
        guard let first = other.scalars.first else { return start }
        guard other.count <= count else { return nil }
        var index = start
        while index + other.count <= count {
            try budget.spend(1)
            if scalars[index] == first {
                let common = zip(scalars[index...], other.scalars).prefix { $0 == $1 }.count
                try budget.spend(common)
                if common == other.count { return index }
            }
            index += 1
        }
        return nil
    }

    /// The last index at which another text occurs.
    func lastIndex(of other: JinjaString, _ budget: JinjaBudget) throws -> Int? {
        let reversed = JinjaString(scalars.reversed())
        guard let index = try reversed.firstIndex(of: JinjaString(other.scalars.reversed()), from: 0, budget) else {
            return nil
        }
        return count - index - other.count
    }

    /// The indices at which another text occurs, from left to right and not overlapping.
    func occurrences(of other: JinjaString, limit: Int = .max, _ budget: JinjaBudget) throws -> [Int] {
        var result: [Int] = []
        var index = 0
        while result.count < limit, let next = try firstIndex(of: other, from: index, budget) {
            result.append(next)
            index = next + max(other.count, 1)
        }
        return result
    }

    func replacing(
        _ old: JinjaString, with new: JinjaString, limit: Int = .max, _ budget: JinjaBudget
    ) throws -> JinjaString {
        var builder = JinjaBuilder(budget)
        var index = 0
        for next in try occurrences(of: old, limit: limit, budget) {
            try builder.append(scalars[index..<next])
            try builder.append(new)
            index = next + old.count
        }
        try builder.append(scalars[index...])
        return builder.string
    }

    func repeated(_ times: Int, _ budget: JinjaBudget) throws -> JinjaString {
        var builder = JinjaBuilder(budget)
        try builder.append(scalars, times: times)
        var result = builder.string
        result.isMarkup = isMarkup
        return result
    }

    /// Python's `strip`: white space, or any of `characters`.
    func stripped(_ characters: JinjaString? = nil, start: Bool = true, end: Bool = true) -> JinjaString {
        let set = characters.map { Set($0.scalars) }
        func goes(_ scalar: PromptScalar) -> Bool { set?.contains(scalar) ?? scalar.scalar.isPythonSpace }
        var rest = scalars[...]
        if start { rest = rest.drop(while: goes) }
        while end, let last = rest.last, goes(last) { rest.removeLast() }
        return JinjaString(rest)
    }

    func hasPrefix(_ other: JinjaString) -> Bool { scalars.starts(with: other.scalars) }

    func hasSuffix(_ other: JinjaString) -> Bool { scalars.suffix(other.count).elementsEqual(other.scalars) }

    /// The words between runs of white space.
    func words(limit: Int = .max) -> [JinjaString] {
        var result: [JinjaString] = []
        var rest = scalars[...]
        while true {
            rest = rest.drop { $0.scalar.isPythonSpace }
            guard !rest.isEmpty else { return result }
            guard result.count < limit else { return result + [JinjaString(rest)] }
            let word = rest.prefix { !$0.scalar.isPythonSpace }
            result.append(JinjaString(word))
            rest = rest[word.endIndex...]
        }
    }

    /// The fields between occurrences of a separator.
    func split(_ separator: JinjaString, limit: Int = .max, _ budget: JinjaBudget) throws -> [JinjaString] {
        var result: [JinjaString] = []
        var index = 0
        for next in try occurrences(of: separator, limit: limit, budget) {
            result.append(JinjaString(scalars[index..<next]))
            index = next + separator.count
        }
        try budget.spend(count)
        return result + [JinjaString(scalars[index...])]
    }

    /// The lines, separated as in Python's `splitlines`.
    func lines(keepingEnds: Bool = false) -> [JinjaString] {
        var result: [JinjaString] = []
        var start = 0
        var index = 0
        while index < count {
            let value = scalars[index].value
            let isReturn = value == 0x0D
            guard
                (0x0A...0x0D).contains(value) || (0x1C...0x1E).contains(value)
                    || [0x85, 0x2028, 0x2029].contains(value)
            else {
                index += 1
                continue
            }
            let isPair = isReturn && index + 1 < count && scalars[index + 1].value == 0x0A
            let end = index + (isPair ? 2 : 1)
            result.append(JinjaString(scalars[start..<(keepingEnds ? end : index)]))
            (start, index) = (end, end)
        }
        if start < count { result.append(JinjaString(scalars[start...])) }
        return result
    }
}
