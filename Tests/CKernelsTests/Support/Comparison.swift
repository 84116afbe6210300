import Foundation

/// The first float that differs in a bit, or nil. All NaNs are equal.
func firstDifference(_ a: [Float], _ b: [Float]) -> String? {
    guard a.count == b.count else { return "counts \(a.count) and \(b.count)" }
    guard memcmp(a, b, a.count * MemoryLayout<Float>.stride) != 0 else { return nil }
    for index in a.indices where a[index].bitPattern != b[index].bitPattern && !(a[index].isNaN && b[index].isNaN) {
        return "element \(index): \(a[index]) and \(b[index])"
    }
    return nil
}

/// The largest distance of `actual` from `exact`, relative to `magnitude`, the sum of absolute values.
func largestError(_ actual: [Float], exact: [Double], magnitude: [Double]) -> Double {
    var largest = 0.0
    for index in actual.indices {
        let error = abs(Double(actual[index]) - exact[index])
        largest = max(largest, error == 0 ? 0 : error / magnitude[index])
    }
    return largest
}
