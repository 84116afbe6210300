/// How a container stores the elements of a tensor (`formats/blocks.md`).
package enum TensorEncoding: Hashable, Sendable {
    /// Unchanged elements, row by row.
    case plain(ElementType)
    /// Blocks of 32 8-bit codes with a 16-bit scale, 16 rows interleaved: 8.5 bits a weight.
    case q8
    /// Blocks of 16 4-bit codebook indices with an 8-bit scale field, 16 rows interleaved: 4.5 bits a weight.
    case q4

    /// Whether weights are stored as codes and scales. Each tile then has a scale, too.
    package var isQuantized: Bool {
        switch self {
        case .plain: false
        case .q8, .q4: true
        }
    }

    /// How many rows are interleaved; tiles hold a multiple of this many rows, padded with zeros at the tensor's end.
    package var rowsPerGroup: Int {
        switch self {
        case .plain: 1
        case .q8, .q4: 16
        }
    }

    /// Whether rows of `columns` elements can be encoded: quantized rows have a multiple of 32 elements.
    package func supports(columns: Int) -> Bool {
        switch self {
        case .plain: true
        case .q8, .q4: columns > 0 && columns % 32 == 0
        }
    }

    /// The size in bytes of one group of `rowsPerGroup` rows; nil if it does not fit `Int` or `columns` is not
    /// supported.
    package func bytesPerGroup(columns: Int) -> Int? {
        guard columns >= 0, supports(columns: columns) else { return nil }
        let (units, bytes) =
            switch self {
            case .plain(let type): (columns, type.byteCount)
            case .q8: (columns / 32, 16 * (2 + 32))
            case .q4: (columns / 16, 16 * (1 + 8))
            }
        let (product, overflow) = units.multipliedReportingOverflow(by: bytes)
        return overflow ? nil : product
    }

    /// The size in bytes of `rows` rows, the last group padded, or nil as for `bytesPerGroup`.
    package func byteCount(rows: Int, columns: Int) -> Int? {
        guard rows >= 0, let group = bytesPerGroup(columns: columns) else { return nil }
        let groups = rows / rowsPerGroup + (rows % rowsPerGroup == 0 ? 0 : 1)
        let (product, overflow) = groups.multipliedReportingOverflow(by: group)
        return overflow ? nil : product
    }
}

extension TensorEncoding: CustomStringConvertible {
    /// The name on the command line and in metadata: `q4`, `f16`, …
    package var description: String {
        switch self {
        case .plain(let type): type.rawValue
        case .q8: "q8"
        case .q4: "q4"
        }
    }

    /// The encoding of that name, or nil.
    package init?(_ name: String) {
        switch name {
        case "q8": self = .q8
        case "q4": self = .q4
        default:
            guard let type = ElementType(rawValue: name) else { return nil }
            self = .plain(type)
        }
    }
}
