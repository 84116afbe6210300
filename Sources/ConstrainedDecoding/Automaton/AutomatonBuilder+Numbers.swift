extension AutomatonBuilder {
    /// The form of numbers, which is bounded so that they end.
    enum NumberForm {
        /// The largest number of digits before the point of a number without bounds; together with the fraction if
        /// there are bounds. Any such decimal number is a `Double` of its own.
        static let wholeDigitCount = 15
        /// The largest number of digits after the point of a number without bounds. Shortest spellings of most `Double`
        /// values have at most that many.
        static let fractionDigitCount = 17
        /// The largest number of digits of an exponent.
        static let exponentDigitCount = 2
    }

    /// A bound of a range of numbers.
    struct NumberBound {
        var value: Decimal
        var isInclusive: Bool
    }

    /// Adds states that read any number.
    mutating func addNumber(_ from: StateID) throws {
        let sign = try addState()
        addSilent(from, to: sign)
        let unsigned = try addState()
        addEdge(sign, "-", to: unsigned)
        addSilent(sign, to: unsigned)
        let wholeEnd = try addState()
        addEdge(unsigned, "0", to: wholeEnd)
        try addDigits(
            unsigned, first: UInt8(ascii: "1")...UInt8(ascii: "9"), upTo: NumberForm.wholeDigitCount, to: wholeEnd)
        addSilent(wholeEnd, to: ByteAutomaton.final)
        let fractionEnd = try addState()
        addSilent(wholeEnd, to: fractionEnd)
        let point = try addState()
        addEdge(wholeEnd, ".", to: point)
        try addDigits(point, upTo: NumberForm.fractionDigitCount, to: fractionEnd)
        addSilent(fractionEnd, to: ByteAutomaton.final)
        let exponent = try addState()
        addEdge(fractionEnd, "e", to: exponent)
        addEdge(fractionEnd, "E", to: exponent)
        let exponentDigits = try addState()
        addEdge(exponent, "+", to: exponentDigits)
        addEdge(exponent, "-", to: exponentDigits)
        addSilent(exponent, to: exponentDigits)
        try addDigits(exponentDigits, upTo: NumberForm.exponentDigitCount, to: ByteAutomaton.final)
    }

    /// Adds states that read 1 to `count` digits, the first of them one of `first`.
    private mutating func addDigits(
        _ from: StateID, first: ClosedRange<UInt8> = UInt8(ascii: "0")...UInt8(ascii: "9"), upTo count: Int,
        to target: StateID
    ) throws {
        var state = try addState()
        addEdge(from, first, to: state)
        for _ in 1..<count {
            addSilent(state, to: target)
            let next = try addState()
            addEdge(state, UInt8(ascii: "0")...UInt8(ascii: "9"), to: next)
            state = next
        }
        addSilent(state, to: target)
    }

    /// Adds states that read the integers of a range.
    mutating func addIntegers(_ from: StateID, in range: ClosedRange<Int>) throws {
        if range.upperBound >= 0 {
            var magnitudes = MagnitudeStates(
                lower: NumberBound(value: Decimal(max(range.lowerBound, 0)), isInclusive: true),
                upper: NumberBound(value: Decimal(range.upperBound), isInclusive: true), totalDigitCount: nil)
            try magnitudes.add(from, to: &self)
        }
        if range.lowerBound < 0 {
            let negative = try addState()
            addEdge(from, "-", to: negative)
            var magnitudes = MagnitudeStates(
                lower: NumberBound(value: Decimal(min(range.upperBound, -1)).magnitude, isInclusive: true),
                upper: NumberBound(value: Decimal(range.lowerBound).magnitude, isInclusive: true),
                totalDigitCount: nil)
            try magnitudes.add(negative, to: &self)
        }
    }

    /// Adds states that read decimal numbers of a range, without exponents and with at most
    /// `NumberForm.wholeDigitCount` digits.
    mutating func addNumbers(_ from: StateID, from lower: NumberBound?, to upper: NumberBound?) throws {
        let zero = NumberBound(value: Decimal(0), isInclusive: true)
        if !(upper?.value.isNegative ?? false) {
            let isPositive = lower.map { !$0.value.isNegative } ?? false
            var magnitudes = MagnitudeStates(
                lower: isPositive ? lower ?? zero : zero, upper: upper, totalDigitCount: NumberForm.wholeDigitCount)
            try magnitudes.add(from, to: &self)
        }
        if lower?.value.isNegative ?? true {
            let negative = try addState()
            addEdge(from, "-", to: negative)
            var below = NumberBound(value: Decimal(0), isInclusive: false)
            if let upper, upper.value.isNegative {
                below = NumberBound(value: upper.value.magnitude, isInclusive: upper.isInclusive)
            }
            var magnitudes = MagnitudeStates(
                lower: below,
                upper: lower.map { NumberBound(value: $0.value.magnitude, isInclusive: $0.isInclusive) },
                totalDigitCount: NumberForm.wholeDigitCount)
            try magnitudes.add(negative, to: &self)
        }
    }
}

/// Adds states that compare a number with two bounds while it is read, digit by digit.
private struct MagnitudeStates {
    /// How a number compares with a bound so far.
    private enum Relation: Hashable {
        /// Its digits are those of the bound.
        case equal
        /// The digits that come do not matter.
        case decided
    }

    /// A point of a number.
    private struct Point: Hashable {
        /// The number of digits before the decimal point.
        var wholeCount: Int
        /// The digits read, of the fraction if there was a point.
        var position: Int
        var isFraction: Bool
        var lower: Relation
        var upper: Relation
    }

    private let lower: AutomatonBuilder.NumberBound
    private let upper: AutomatonBuilder.NumberBound?
    /// The largest number of digits; nil for integers, which have the upper bound's.
    private let totalDigitCount: Int?
    private var numbers: [Point: StateID] = [:]
    private var pending: [Point] = []

    init(lower: AutomatonBuilder.NumberBound, upper: AutomatonBuilder.NumberBound?, totalDigitCount: Int?) {
        self.lower = lower
        self.upper = upper
        self.totalDigitCount = totalDigitCount
    }

    mutating func add(_ from: StateID, to builder: inout AutomatonBuilder) throws {
        let longest = min(totalDigitCount ?? .max, upper?.value.whole.count ?? .max)
        guard longest >= lower.value.whole.count else { return }
        for count in lower.value.whole.count...longest {
            let point = Point(
                wholeCount: count, position: 0, isFraction: false,
                lower: count == lower.value.whole.count ? .equal : .decided,
                upper: count == upper?.value.whole.count ? .equal : .decided)
            builder.addSilent(from, to: try state(point, &builder))
        }
        while let point = pending.popLast() {
            let state = try state(point, &builder)
            if point.isFraction {
                if point.position > 0 { addEnd(state, point, &builder) }
                if point.wholeCount + point.position < totalDigitCount ?? 0 { try addDigits(state, point, &builder) }
            } else if point.position < point.wholeCount {
                try addDigits(state, point, &builder)
            } else {
                addEnd(state, point, &builder)
                guard point.wholeCount < totalDigitCount ?? 0 else { continue }
                var fraction = point
                (fraction.position, fraction.isFraction) = (0, true)
                builder.addEdge(state, ".", to: try self.state(fraction, &builder))
            }
        }
    }

    private mutating func state(_ point: Point, _ builder: inout AutomatonBuilder) throws -> StateID {
        if let known = numbers[point] { return known }
        let state = try builder.addState()
        numbers[point] = state
        pending.append(point)
        return state
    }

    private mutating func addDigits(_ state: StateID, _ point: Point, _ builder: inout AutomatonBuilder) throws {
        let isLeading = !point.isFraction && point.position == 0 && point.wholeCount > 1
        for digit in (isLeading ? 1 : 0)...9 as ClosedRange<UInt8> {
            var next = point
            next.position += 1
            if point.lower == .equal {
                let bound = Self.digit(of: lower.value, at: point)
                guard digit >= bound else { continue }
                if digit > bound { next.lower = .decided }
            }
            if point.upper == .equal, let upper {
                let bound = Self.digit(of: upper.value, at: point)
                guard digit <= bound else { continue }
                if digit < bound { next.upper = .decided }
            }
            let byte = UInt8(ascii: "0") + digit
            builder.addEdge(state, byte...byte, to: try self.state(next, &builder))
        }
    }

    private static func digit(of value: Decimal, at point: Point) -> UInt8 {
        let digits = point.isFraction ? value.fraction : value.whole
        return point.position < digits.count ? digits[point.position] : 0
    }

    /// Lets the number end if it is in the range.
    private func addEnd(_ state: StateID, _ point: Point, _ builder: inout AutomatonBuilder) {
        let fractionCount = point.isFraction ? point.position : 0
        if point.lower == .equal {
            guard lower.isInclusive, lower.value.fraction.count <= fractionCount else { return }
        }
        if point.upper == .equal, let upper, upper.value.fraction.count <= fractionCount {
            guard upper.isInclusive else { return }
        }
        builder.addSilent(state, to: ByteAutomaton.final)
    }
}
