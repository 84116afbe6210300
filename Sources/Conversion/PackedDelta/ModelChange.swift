import CKernels
import Container
import Storage
import Tensors

/// How far a fine-tune moved the numbers of a tensor, or of several, from those of its base.
package struct ModelChange: Sendable, Hashable {
    /// The key in the metadata of a packed delta.
    static let key = "delta.changes"

    /// The sum of the squared differences.
    package private(set) var squaredChange = 0.0
    /// The sum of the base's squares.
    package private(set) var squaredBase = 0.0
    /// The number of elements with the same bits.
    package private(set) var unchangedCount = 0
    /// The number of elements that were compared.
    package private(set) var count = 0

    package init() {}

    /// Measures numbers of a type that `differenceType` knows; others are not measured.
    init(of target: RawSpan, base: RawSpan, type: ElementType) {
        guard let kind = type.differenceType else { return }
        count = min(target.byteCount, base.byteCount) / type.byteCount
        var change = pvit_change()
        target.withUnsafeBytes { target in
            base.withUnsafeBytes { base in
                pvit_measure_change(kind, base.baseAddress, target.baseAddress, count, &change)
            }
        }
        squaredChange = change.squared_change
        squaredBase = change.squared_base
        unchangedCount = Int(clamping: change.unchanged)
    }

    /// Adds other elements.
    package mutating func merge(_ other: ModelChange) {
        squaredChange += other.squaredChange
        squaredBase += other.squaredBase
        unchangedCount += other.unchangedCount
        count += other.count
    }

    /// The norm of the change over that of the base; nil if the base is zero.
    package var relativeNorm: Double? { squaredBase > 0 ? (squaredChange / squaredBase).squareRoot() : nil }

    /// The share of elements with the same bits; nil without elements.
    package var unchangedShare: Double? { count > 0 ? Double(unchangedCount) / Double(count) : nil }
}

extension ModelChange {
    /// The value of a tensor in the metadata.
    var json: JSONValue {
        [.number(squaredChange), .number(squaredBase), .integer(unchangedCount), .integer(count)]
    }

    /// Reads the value of a tensor; nil if it is malformed.
    init?(parsing value: JSONValue) {
        guard let numbers = value.array, numbers.count == 4, let squaredChange = numbers[0].double,
            let squaredBase = numbers[1].double, let unchanged = numbers[2].integer, let count = numbers[3].integer,
            squaredChange >= 0, squaredChange.isFinite, squaredBase >= 0, squaredBase.isFinite,
            (0...max(count, 0)).contains(unchanged), count <= 1 << 53
        else { return nil }
        self.squaredChange = squaredChange
        self.squaredBase = squaredBase
        unchangedCount = unchanged
        self.count = count
    }
}
