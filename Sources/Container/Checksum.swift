import CXXHash

/// XXH3 with 64 bits and seed 0, as libxxhash defines it.
package func xxh3(_ bytes: RawSpan) -> UInt64 {
    bytes.withUnsafeBytes { pvit_xxh3_64bits($0.baseAddress, $0.count) }
}
