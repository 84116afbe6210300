/// A number with about four significant digits.
package func significant(_ value: Double) -> String {
    guard value.isFinite else { return "\(value)" }
    let magnitude = abs(value)
    if magnitude == 0 { return "0" }
    if magnitude >= 1e6 || magnitude < 1e-5 {
        var exponent = 0
        var mantissa = value
        while abs(mantissa) >= 10 {
            mantissa /= 10
            exponent += 1
        }
        while abs(mantissa) < 1 {
            mantissa *= 10
            exponent -= 1
        }
        return "\(mantissa.formatted(decimals: 3))e\(exponent)"
    }
    var decimals = 3
    var bound = 1.0
    while magnitude < bound, decimals < 8 {
        bound /= 10
        decimals += 1
    }
    return value.formatted(decimals: magnitude >= 1000 ? 0 : magnitude >= 100 ? 1 : magnitude >= 10 ? 2 : decimals)
}
