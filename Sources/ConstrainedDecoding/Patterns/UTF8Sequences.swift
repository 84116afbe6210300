/// The UTF-8 encodings of a range of characters, as sequences of ranges of bytes.
enum UTF8Sequences {
    /// The sequences for the scalar values in a range, which has no surrogates.
    static func sequences(of range: ClosedRange<UInt32>) -> [[ClosedRange<UInt8>]] {
        var result: [[ClosedRange<UInt8>]] = []
        var pending = [range]
        while let range = pending.popLast() {
            let (low, high) = (range.lowerBound, range.upperBound)
            // Encodings of one length.
            if let limit = [0x7F as UInt32, 0x7FF, 0xFFFF].first(where: { low <= $0 && $0 < high }) {
                pending += [limit + 1...high, low...limit]
                continue
            }
            if high < 0x80 {
                result.append([UInt8(low)...UInt8(high)])
                continue
            }
            // A range is whole if its last bytes take all values wherever an earlier byte differs.
            var isWhole = true
            for position in 1...3 {
                let mask: UInt32 = 1 << UInt32(6 * position) - 1
                guard low & ~mask != high & ~mask else { continue }
                if low & mask != 0 {
                    pending += [(low | mask) + 1...high, low...(low | mask)]
                    isWhole = false
                    break
                }
                if high & mask != mask {
                    pending += [(high & ~mask)...high, low...(high & ~mask) - 1]
                    isWhole = false
                    break
                }
            }
            guard isWhole else { continue }
            result.append(zip(encode(low), encode(high)).map { $0...$1 })
        }
        return result
    }

    private static func encode(_ value: UInt32) -> [UInt8] {
        guard let scalar = Unicode.Scalar(value) else { return [] }
        return Array(UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
    }
}
