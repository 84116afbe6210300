extension AutomatonBuilder {
    /// Adds states that read one character of a string: valid UTF-8 without control characters, or an escape.
    mutating func addCharacter(_ from: StateID, to target: StateID) throws {
        try addRawCharacter(from, to: target, role: .plain)
        try addEscape(from, to: target)
    }

    /// Adds states that read one character of a string that is not escaped.
    private mutating func addRawCharacter(_ from: StateID, to target: StateID, role: StateRole) throws {
        for range in [0x20...0x21, 0x23...0x5B, 0x5D...0x7F] as [ClosedRange<UInt8>] {
            addEdge(from, range, to: target)
        }
        // The state before the last one, two and three bytes of a character.
        var before: [StateID] = [target]
        for _ in 1...3 {
            let state = try addState(role)
            addEdge(state, 0x80...0xBF, to: before[before.count - 1])
            before.append(state)
        }
        addEdge(from, 0xC2...0xDF, to: before[1])
        addEdge(from, 0xE1...0xEC, to: before[2])
        addEdge(from, 0xEE...0xEF, to: before[2])
        addEdge(from, 0xF1...0xF3, to: before[3])
        // No overlong forms, no surrogates, nothing beyond U+10FFFF.
        let limited: [(UInt8, ClosedRange<UInt8>, Int)] = [
            (0xE0, 0xA0...0xBF, 1), (0xED, 0x80...0x9F, 1), (0xF0, 0x90...0xBF, 2), (0xF4, 0x80...0x8F, 2),
        ]
        for (lead, second, rest) in limited {
            let state = try addState(role)
            addEdge(from, lead...lead, to: state)
            addEdge(state, second, to: before[rest])
        }
    }

    private mutating func addEscape(_ from: StateID, to target: StateID) throws {
        let escape = try addState()
        addEdge(from, "\\", to: escape)
        for letter in "\"\\/bfnrt".unicodeScalars { addEdge(escape, letter, to: target) }
        // The state before the last one, two and three digits.
        var before: [StateID] = [target]
        for _ in 1...3 {
            let state = try addState()
            addHexadecimal(state, ["0"..."9", "A"..."F", "a"..."f"], to: before[before.count - 1])
            before.append(state)
        }
        let unicode = try addState()
        addEdge(escape, "u", to: unicode)
        addHexadecimal(unicode, ["0"..."9", "A"..."C", "E"..."F", "a"..."c", "e"..."f"], to: before[3])
        // D000 to D7FF are characters. D800 to DBFF need a second half.
        let high = try addState()
        addHexadecimal(unicode, ["D"..."D", "d"..."d"], to: high)
        addHexadecimal(high, ["0"..."7"], to: before[2])
        let surrogate = try (0..<6).map { _ in try addState() }
        addHexadecimal(high, ["8"..."9", "A"..."B", "a"..."b"], to: surrogate[0])
        addHexadecimal(surrogate[0], ["0"..."9", "A"..."F", "a"..."f"], to: surrogate[1])
        addHexadecimal(surrogate[1], ["0"..."9", "A"..."F", "a"..."f"], to: surrogate[2])
        addEdge(surrogate[2], "\\", to: surrogate[3])
        addEdge(surrogate[3], "u", to: surrogate[4])
        addHexadecimal(surrogate[4], ["D"..."D", "d"..."d"], to: surrogate[5])
        addHexadecimal(surrogate[5], ["C"..."F", "c"..."f"], to: before[2])
    }

    private mutating func addHexadecimal(
        _ from: StateID, _ digits: [ClosedRange<Unicode.Scalar>], to target: StateID
    ) {
        for range in digits {
            addEdge(from, UInt8(ascii: range.lowerBound)...UInt8(ascii: range.upperBound), to: target)
        }
    }

    /// Adds states that read the rest of a string, after its opening quotation mark, whose number of characters is
    /// limited.
    mutating func addCountedString(_ from: StateID, minimum: Int, maximum: Int?) throws {
        guard minimum > 0 || maximum != nil else {
            return addCall(from, stringContent, next: ByteAutomaton.final)
        }
        var state = from
        for count in 0...(maximum ?? minimum) {
            if count >= minimum {
                if maximum == nil {
                    addCall(state, stringContent, next: ByteAutomaton.final)
                    return
                }
                addEdge(state, "\"", to: ByteAutomaton.final)
            }
            let remaining = (maximum ?? .max) - count
            guard remaining > 0 else { return }
            states[Int(state)].role = .stringContent(remaining: Int32(clamping: remaining))
            let next = try addState()
            addCall(state, stringCharacter, next: next)
            state = next
        }
    }

    /// Adds states that read a key that differs from the declared keys and from the object's other keys.
    ///
    /// Such keys have no escapes, so that two keys are the same when their bytes are.
    mutating func addFurtherKey(_ from: StateID, declared: Int32, to target: StateID) throws {
        let opening = try addState(.keyOpening(declared: declared))
        addSilent(from, to: opening)
        let content = try addState(.keyContent(isBetweenCharacters: true))
        addEdge(opening, "\"", to: content)
        try addRawCharacter(content, to: content, role: .keyContent(isBetweenCharacters: false))
        addEdge(content, "\"", to: target)
    }
}
