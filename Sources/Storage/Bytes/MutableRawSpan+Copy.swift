extension MutableRawSpan {
    /// Copies `bytes` to the beginning.
    ///
    /// - Precondition: `bytes` are no more than `byteCount`.
    package mutating func copy(_ bytes: RawSpan) {
        bytes.withUnsafeBytes { source in withUnsafeMutableBytes { $0.copyMemory(from: source) } }
    }
}
