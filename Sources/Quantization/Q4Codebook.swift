import CKernels

/// The values that a q4 code can stand for, before scales (`formats/blocks.md`).
package enum Q4Codebook {
    /// The number of weights in a block, which share a scale and a shift.
    package static let blockSize = Int(PVIT_Q4_BLOCK)
    /// What is added to all values of a shifted block.
    package static let shift = Int(PVIT_Q4_SHIFT)
    /// The values of the indices 0 to 15, ascending.
    package static let levels: [Int] = withUnsafeBytes(of: pvit_q4_codebook) { bytes in
        bytes.map { Int(Int8(bitPattern: $0)) }
    }
    /// The largest magnitude of a value, shifted or not.
    package static let largestMagnitude = 127
}
