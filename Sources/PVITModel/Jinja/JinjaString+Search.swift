extension JinjaString {
    /// Where another text begins in this one, at `start` or later; the empty text begins everywhere.
    func firstIndex(of part: JinjaString, from start: Int, _ budget: JinjaBudget) throws -> Int? {
        guard start <= count else { return nil }
        guard let first = part.scalars.first else { return start }
        guard part.count <= count else { return nil }
        var place = start
        while place + part.count <= count {
            try budget.spend(1)
            if scalars[place] == first {
                let common = zip(scalars[place...], part.scalars).prefix { $0 == $1 }.count
                try budget.spend(common)
                if common == part.count { return place }
            }
            place += 1
        }
        return nil
    }

    /// Where another text begins last.
    func lastIndex(of part: JinjaString, _ budget: JinjaBudget) throws -> Int? {
        let reversed = JinjaString(scalars.reversed())
        guard let place = try reversed.firstIndex(of: JinjaString(part.scalars.reversed()), from: 0, budget) else {
            return nil
        }
        return count - place - part.count
    }

    /// The places where another text occurs, from left to right and not overlapping.
    func places(of part: JinjaString, limit: Int = .max, _ budget: JinjaBudget) throws -> [Int] {
        var result: [Int] = []
        var place = 0
        while result.count < limit, let next = try firstIndex(of: part, from: place, budget) {
            result.append(next)
            place = next + max(part.count, 1)
        }
        return result
    }

    func replacing(
        _ old: JinjaString, with new: JinjaString, limit: Int = .max, _ budget: JinjaBudget
    ) throws -> JinjaString {
        var builder = JinjaBuilder(budget)
        var place = 0
        for next in try places(of: old, limit: limit, budget) {
            try builder.append(scalars[place..<next])
            try builder.append(new)
            place = next + old.count
        }
        try builder.append(scalars[place...])
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

    /// The parts between runs of white space.
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

    /// The parts between occurrences of a separator.
    func split(_ separator: JinjaString, limit: Int = .max, _ budget: JinjaBudget) throws -> [JinjaString] {
        var result: [JinjaString] = []
        var place = 0
        for next in try places(of: separator, limit: limit, budget) {
            result.append(JinjaString(scalars[place..<next]))
            place = next + separator.count
        }
        try budget.spend(count)
        return result + [JinjaString(scalars[place...])]
    }

    /// The lines, as Python's `splitlines` tells them apart.
    func lines(keepingEnds: Bool = false) -> [JinjaString] {
        var result: [JinjaString] = []
        var start = 0
        var place = 0
        while place < count {
            let value = scalars[place].value
            let isReturn = value == 0x0D
            guard
                (0x0A...0x0D).contains(value) || (0x1C...0x1E).contains(value)
                    || [0x85, 0x2028, 0x2029].contains(value)
            else {
                place += 1
                continue
            }
            let isPair = isReturn && place + 1 < count && scalars[place + 1].value == 0x0A
            let end = place + (isPair ? 2 : 1)
            result.append(JinjaString(scalars[start..<(keepingEnds ? end : place)]))
            (start, place) = (end, end)
        }
        if start < count { result.append(JinjaString(scalars[start...])) }
        return result
    }
}
