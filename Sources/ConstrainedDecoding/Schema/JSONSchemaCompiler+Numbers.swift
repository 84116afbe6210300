import Storage

extension JSONSchemaCompiler {
    /// The largest integer without bounds: any is a `Double` of its own.
    private static let largestInteger = 999_999_999_999_999

    /// Adds states that read an integer.
    mutating func addInteger(_ facets: SchemaFacets, from state: StateID) throws {
        guard let lower = Self.least(facets.lower), let upper = Self.greatest(facets.upper) else { return }
        var (low, high) = (lower, upper)
        if facets.lower == nil { low = high >= -Self.largestInteger ? -Self.largestInteger : .min }
        if facets.upper == nil { high = low <= Self.largestInteger ? Self.largestInteger : .max }
        if low <= high { try builder.addIntegers(state, in: low...high) }
    }

    /// The least integer above a limit; nil if there is none.
    private static func least(_ limit: SchemaFacets.Limit?) -> Int? {
        switch limit?.value {
        case .integer(let value)?:
            guard limit?.isInclusive == false else { return value }
            return value == .max ? nil : value + 1
        case .number(let value)?:
            let whole = limit?.isInclusive == false ? value.rounded(.down) + 1 : value.rounded(.up)
            return Int(exactly: whole) ?? (value < 0 ? .min : nil)
        default: return .min
        }
    }

    /// The greatest integer below a limit; nil if there is none.
    private static func greatest(_ limit: SchemaFacets.Limit?) -> Int? {
        switch limit?.value {
        case .integer(let value)?:
            guard limit?.isInclusive == false else { return value }
            return value == .min ? nil : value - 1
        case .number(let value)?:
            let whole = limit?.isInclusive == false ? value.rounded(.up) - 1 : value.rounded(.down)
            return Int(exactly: whole) ?? (value > 0 ? .max : nil)
        default: return .max
        }
    }

    /// Adds states that read a number.
    mutating func addNumber(_ facets: SchemaFacets, from state: StateID) throws {
        guard facets.lower != nil || facets.upper != nil else { return try builder.addNumber(state) }
        try builder.addNumbers(state, from: Self.bound(facets.lower), to: Self.bound(facets.upper))
    }

    private static func bound(_ limit: SchemaFacets.Limit?) throws -> AutomatonBuilder.NumberBound? {
        guard let limit else { return nil }
        let value: Decimal
        switch limit.value {
        case .integer(let integer): value = Decimal(integer)
        case .number(let number): value = Decimal(number)
        default: return nil
        }
        guard value.significantDigitCount <= AutomatonBuilder.NumberForm.wholeDigitCount else {
            throw PVITError.schemaUnsupported(
                "a bound of a number with more than \(AutomatonBuilder.NumberForm.wholeDigitCount) digits",
                at: limit.pointer)
        }
        return AutomatonBuilder.NumberBound(value: value, isInclusive: limit.isInclusive)
    }
}
