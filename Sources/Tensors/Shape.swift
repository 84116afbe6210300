/// The extents of a tensor, outermost first: `[rows, columns]` for a matrix, `[]` for a scalar.
///
/// Every value satisfies: at most `maximumRank` dimensions, none negative, and an element count that fits `Int`.
package struct Shape: Hashable, Sendable {
    /// The most dimensions that a tensor may have.
    package static let maximumRank = 8

    /// The extents, outermost first.
    package let dimensions: [Int]
    /// The product of the extents; 1 for a scalar.
    package let elementCount: Int

    /// Creates a shape; nil if the extents break the invariants above.
    package init?(_ dimensions: [Int]) {
        guard dimensions.count <= Self.maximumRank, dimensions.allSatisfy({ $0 >= 0 }) else { return nil }
        // The product leaves out zeros on purpose: [2^62, 4, 0] is not a usable shape.
        var bound = 1
        for extent in dimensions where extent > 0 {
            let (product, overflow) = bound.multipliedReportingOverflow(by: extent)
            if overflow { return nil }
            bound = product
        }
        self.dimensions = dimensions
        elementCount = dimensions.contains(0) ? 0 : bound
    }

    /// The number of dimensions.
    package var rank: Int { dimensions.count }

    /// The extent of the outermost dimension; 1 for a scalar.
    package var rows: Int { dimensions.first ?? 1 }

    /// The number of elements in one row: the product of all extents but the outermost.
    package var elementsPerRow: Int { dimensions.dropFirst().reduce(1, *) }

    /// The size in bytes when packed densely; nil if it, or the size of one row, does not fit `Int`.
    package func byteCount(of type: ElementType) -> Int? {
        // An empty tensor may have rows too long to address. The product of the extents that are not 0 fits: see
        // `init`.
        let bound = dimensions.reduce(1) { $0 * max($1, 1) }
        guard !bound.multipliedReportingOverflow(by: type.byteCount).overflow else { return nil }
        return elementCount * type.byteCount
    }
}

extension Shape: CustomStringConvertible {
    /// The extents in brackets: `[32000, 4096]`.
    package var description: String { "[\(dimensions.map(String.init).joined(separator: ", "))]" }
}
