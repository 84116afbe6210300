/// Python's case conversions, with Unicode's full mappings.
extension JinjaString {
    var uppercased: JinjaString { mapping { $0.properties.uppercaseMapping } }

    var casefolded: JinjaString {
        // Case folding is the lowercase of the uppercase, except for these letters.
        mapping { scalar in
            switch scalar.value {
            case 0x13A0...0x13F5: String(scalar)
            case 0x13F8...0x13FD, 0xAB70...0xABBF: scalar.properties.uppercaseMapping
            case 0x130, 0x131: scalar.properties.lowercaseMapping
            default: Self.lowered(scalar.properties.uppercaseMapping)
            }
        }
    }

    var lowercased: JinjaString { JinjaString(scalars.indices.flatMap { lowercased(at: $0) }) }

    var swappingCase: JinjaString {
        JinjaString(
            scalars.indices.flatMap { index in
                let scalar = scalars[index].scalar
                if scalar.properties.isUppercase { return lowercased(at: index) }
                guard scalar.properties.isLowercase else { return [scalars[index]] }
                return scalars[index].replaced(by: scalar.properties.uppercaseMapping.unicodeScalars)
            })
    }

    /// The text with its first letter in title case and the others in lower case.
    var capitalized: JinjaString {
        JinjaString(scalars.indices.flatMap { $0 == 0 ? titlecased(at: $0) : lowercased(at: $0) })
    }

    /// The text with the first letter of each word in title case and the others in lower case.
    var titlecased: JinjaString {
        var isInside = false
        return JinjaString(
            scalars.indices.flatMap { index in
                defer { isInside = scalars[index].scalar.properties.isCased }
                return isInside ? lowercased(at: index) : titlecased(at: index)
            })
    }

    private func mapping(_ change: (Unicode.Scalar) -> String) -> JinjaString {
        JinjaString(scalars.flatMap { $0.replaced(by: change($0.scalar).unicodeScalars) })
    }

    private static func lowered(_ text: String) -> String {
        text.unicodeScalars.map { $0.properties.lowercaseMapping }.joined()
    }

    private func titlecased(at index: Int) -> [PromptScalar] {
        scalars[index].replaced(by: scalars[index].scalar.properties.titlecaseMapping.unicodeScalars)
    }

    private func lowercased(at index: Int) -> [PromptScalar] {
        let scalar = scalars[index].scalar
        if scalar == "Σ" { return scalars[index].replaced(by: [endsWord(at: index) ? "ς" : "σ"]) }
        return scalars[index].replaced(by: scalar.properties.lowercaseMapping.unicodeScalars)
    }

    /// Whether a letter comes before an index and none after it, skipping marks.
    private func endsWord(at index: Int) -> Bool {
        func isLetter(_ scalar: PromptScalar?) -> Bool { scalar?.scalar.properties.isCased ?? false }
        func isMark(_ scalar: PromptScalar) -> Bool { scalar.scalar.properties.isCaseIgnorable }
        return isLetter(scalars[..<index].last { !isMark($0) })
            && !isLetter(scalars[(index + 1)...].first { !isMark($0) })
    }

    var isLower: Bool {
        scalars.contains { $0.scalar.properties.isLowercase }
            && !scalars.contains {
                $0.scalar.properties.isUppercase || $0.scalar.properties.generalCategory == .titlecaseLetter
            }
    }

    var isUpper: Bool {
        scalars.contains { $0.scalar.properties.isUppercase }
            && !scalars.contains {
                $0.scalar.properties.isLowercase || $0.scalar.properties.generalCategory == .titlecaseLetter
            }
    }

    var isTitle: Bool {
        var (isInside, hasLetters) = (false, false)
        for scalar in scalars {
            let properties = scalar.scalar.properties
            if properties.isUppercase || properties.generalCategory == .titlecaseLetter {
                if isInside { return false }
                (isInside, hasLetters) = (true, true)
            } else if properties.isLowercase {
                guard isInside else { return false }
                hasLetters = true
            } else {
                isInside = false
            }
        }
        return hasLetters
    }

    /// Whether the text is not empty and all its code points satisfy a condition.
    func consists(of isKind: (Unicode.Scalar) -> Bool) -> Bool {
        !scalars.isEmpty && scalars.allSatisfy { isKind($0.scalar) }
    }
}

extension Unicode.Scalar {
    var isPythonAlphabetic: Bool {
        switch properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
        default: false
        }
    }

    var isPythonDecimal: Bool { properties.numericType == .decimal }
    var isPythonDigit: Bool { properties.numericType == .decimal || properties.numericType == .digit }
    var isPythonNumeric: Bool { properties.numericType != nil }
    var isPythonAlphanumeric: Bool { isPythonAlphabetic || isPythonNumeric }
}
