/// A decimal number of any size, exactly.
struct Decimal: Sendable {
    /// Whether the number is below 0.
    let isNegative: Bool
    /// The digits before the point, without leading zeros but at least one.
    let whole: [UInt8]
    /// The digits after the point, without zeros at the end.
    let fraction: [UInt8]

    /// Whether the number is 0.
    var isZero: Bool { whole == [0] && fraction.isEmpty }
    /// The number without its sign.
    var magnitude: Decimal { Decimal(isNegative: false, whole: whole, fraction: fraction) }
    /// The number of digits that matter.
    var significantDigitCount: Int {
        whole == [0] ? fraction.drop { $0 == 0 }.count : fraction.isEmpty ? wholeDigits : whole.count + fraction.count
    }

    private var wholeDigits: Int { (whole.lastIndex { $0 != 0 } ?? 0) + 1 }

    private init(isNegative: Bool, whole: [UInt8], fraction: [UInt8]) {
        self.isNegative = isNegative
        self.whole = whole
        self.fraction = fraction
    }

    /// An integer.
    init(_ value: Int) { self.init(digits: Array(String(value.magnitude).utf8), scale: 0, isNegative: value < 0) }

    /// The shortest decimal number that is rounded to a finite value.
    init(_ value: Double) {
        var digits: [UInt8] = []
        var scale = 0
        var exponent: [UInt8] = []
        var (isAfterPoint, isExponent) = (false, false)
        for byte in "\(value.magnitude)".utf8 {
            if isExponent {
                exponent.append(byte)
            } else if byte == UInt8(ascii: "e") {
                isExponent = true
            } else if byte == UInt8(ascii: ".") {
                isAfterPoint = true
            } else {
                digits.append(byte)
                if isAfterPoint { scale -= 1 }
            }
        }
        scale += Int(String(decoding: exponent, as: UTF8.self)) ?? 0
        self.init(digits: digits, scale: scale, isNegative: value < 0)
    }

    /// Digits times a power of ten.
    private init(digits: [UInt8], scale: Int, isNegative: Bool) {
        var digits = digits.map { $0 - UInt8(ascii: "0") }
        if scale > 0 { digits += repeatElement(0, count: scale) }
        let fractionCount = max(0, -scale)
        if digits.count < fractionCount + 1 {
            digits.insert(contentsOf: repeatElement(0, count: fractionCount + 1 - digits.count), at: 0)
        }
        var fraction = Array(digits.suffix(fractionCount))
        while fraction.last == 0 { fraction.removeLast() }
        var whole = Array(digits.dropLast(fractionCount).drop { $0 == 0 })
        if whole.isEmpty { whole = [0] }
        self.init(isNegative: isNegative && !(whole == [0] && fraction.isEmpty), whole: whole, fraction: fraction)
    }
}
