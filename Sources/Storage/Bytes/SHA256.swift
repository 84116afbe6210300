import CCrypto

/// A SHA-256 value.
package struct Digest: Hashable, Sendable {
    /// The 32 bytes.
    package let bytes: SIMD32<UInt8>

    /// Creates a value.
    package init(bytes: SIMD32<UInt8>) { self.bytes = bytes }
}

extension Digest: CustomStringConvertible {
    /// The value as 64 lower-case hexadecimal digits.
    package var description: String {
        let digits = Array("0123456789abcdef")
        return String((0..<32).flatMap { [digits[Int(bytes[$0] >> 4)], digits[Int(bytes[$0] & 15)]] })
    }
}

/// SHA-256 (FIPS 180-4) of bytes that come in chunks, computed by libcrypto.
package struct SHA256: Sendable {
    private var context = SHA256_CTX()

    /// Starts with no bytes.
    package init() { SHA256_Init(&context) }

    /// Appends bytes.
    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        SHA256_Update(&context, bytes.baseAddress, bytes.count)
    }

    /// Appends bytes.
    package mutating func update(_ bytes: RawSpan) {
        bytes.withUnsafeBytes { update($0) }
    }

    /// Appends bytes.
    package mutating func update(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { update($0) }
    }

    /// Appends the bytes of an integer, the least significant one first.
    package mutating func update(littleEndian value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.littleEndian) { update($0) }
    }

    /// The digest of all bytes so far. More bytes may follow.
    package var digest: Digest {
        var context = context
        var bytes = SIMD32<UInt8>()
        withUnsafeMutableBytes(of: &bytes) { result in
            _ = SHA256_Final(result.baseAddress?.assumingMemoryBound(to: UInt8.self), &context)
        }
        return Digest(bytes: bytes)
    }

    /// The digest of some bytes.
    package static func digest(of bytes: [UInt8]) -> Digest {
        var hash = SHA256()
        hash.update(bytes)
        return hash.digest
    }
}
