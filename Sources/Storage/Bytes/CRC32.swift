import CDeflate

/// CRC-32 as ZIP archives store it, of bytes that come in chunks, computed by libdeflate.
package struct CRC32: Sendable {
    /// The checksum of all bytes so far; 0 without any.
    package private(set) var value: UInt32 = 0

    /// Starts with no bytes.
    package init() {}

    /// Appends bytes.
    package mutating func update(_ bytes: RawSpan) {
        bytes.withUnsafeBytes { bytes in
            // Without an address, libdeflate returns the checksum of no bytes.
            guard let start = bytes.baseAddress else { return }
            value = libdeflate_crc32(value, start, bytes.count)
        }
    }
}
