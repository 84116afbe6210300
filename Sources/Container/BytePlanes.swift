import Storage

/// Sorts the bytes of elements by significance, and back: plane `k` has byte `k` of every element.
///
/// The exponent bytes of weights are similar, but an entropy coder can use that only if they are not mixed with
/// mantissa bytes.
enum BytePlanes {
    /// The bytes at `plane`, `plane + width`, `plane + 2 * width`, …
    static func extract(_ plane: Int, width: Int, from elements: RawSpan) -> [UInt8] {
        let count = elements.byteCount / width
        return [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            for index in 0..<count {
                let offset = index &* width &+ plane
                buffer.initializeElement(
                    at: index, to: elements.unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self))
            }
            initialized = count
        }
    }

    /// The range of each plane in the stored bytes of a tile with `byteCount` decoded bytes: `width` sizes, then the
    /// planes. A plane of `byteCount / width` bytes is raw; a shorter one is a frame.
    ///
    /// - Throws: `container.tile-content` if the planes do not fill the stored bytes exactly.
    static func ranges(in stored: RawSpan, width: Int, byteCount: Int) throws -> [Range<Int>] {
        var ranges: [Range<Int>] = []
        var start = 4 * width
        for number in 0..<width {
            let size = Int(try stored.littleEndian(at: 4 * number, as: UInt32.self))
            guard start <= stored.byteCount, size <= stored.byteCount - start, size <= byteCount / width else {
                throw PVITError(.tileContent, "the byte planes of a tile have impossible sizes")
            }
            ranges.append(start..<start + size)
            start += size
        }
        guard start == stored.byteCount, byteCount % width == 0 else {
            throw PVITError(.tileContent, "the byte planes of a tile do not fill it")
        }
        return ranges
    }

    /// Joins the planes `low` and `high` to elements of 2 bytes. `elements` has room for all of them.
    static func join(_ low: RawSpan, _ high: RawSpan, into elements: inout MutableRawSpan) {
        for index in 0..<min(low.byteCount, high.byteCount, elements.byteCount / 2) {
            let value = UInt16(low.byte(index)) | UInt16(high.byte(index)) &<< 8
            elements.storeBytes(of: value.littleEndian, toUncheckedByteOffset: index &* 2, as: UInt16.self)
        }
    }

    /// Writes `plane` to the bytes at `number`, `number + width`, `number + 2 * width`, … of `elements`.
    static func scatter(_ plane: RawSpan, number: Int, width: Int, into elements: inout MutableRawSpan) {
        for index in 0..<min(plane.byteCount, elements.byteCount / width) {
            elements.storeBytes(
                of: plane.byte(index), toUncheckedByteOffset: index &* width &+ number, as: UInt8.self)
        }
    }
}

extension RawSpan {
    fileprivate func byte(_ offset: Int) -> UInt8 { unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self) }
}
