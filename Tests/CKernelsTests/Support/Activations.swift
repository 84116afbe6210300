import CKernels
import TestSupport

/// Random vectors, quantized for weights of some format.
struct Activations {
    let columns: Int
    let tokens: Int
    private let narrow: Codes<Int8>
    private let wide: Codes<Int16>

    private struct Codes<Code: FixedWidthInteger & BitwiseCopyable> {
        let codes: GuardedBuffer<Code>
        let scales: GuardedBuffer<Float>
        let sums: GuardedBuffer<Int32>

        init(tokens: Int, columns: Int, sumBlock: Int) {
            codes = GuardedBuffer(repeating: 0, count: tokens * columns)
            scales = GuardedBuffer(repeating: 0, count: tokens * columns / 32)
            sums = GuardedBuffer(repeating: 0, count: tokens * columns / sumBlock)
        }
    }

    init(tokens: Int, columns: Int, random: inout RepeatableRandom) {
        self.columns = columns
        self.tokens = tokens
        narrow = Codes(tokens: tokens, columns: columns, sumBlock: 16)
        wide = Codes(tokens: tokens, columns: columns, sumBlock: 32)
        let kernels = InstructionSet.scalar.kernels
        for token in 0..<tokens {
            var x = random.floats(columns, in: -3...3)
            if token % 3 == 1 { for index in 0..<32 { x[index] = index % 2 == 0 ? 0 : -0.0 } }
            if token % 3 == 2 { x[columns - 1] = 1e6 }
            for start in stride(from: 0, to: columns, by: 32) where (start / 32 + token) % 2 == 0 {
                for index in start..<start + 32 { x[index] /= 4 }
            }
            kernels.quantize_activations(
                x, columns, narrow.codes.pointer + token * columns, narrow.scales.pointer + token * columns / 32,
                narrow.sums.pointer + token * columns / 16)
            kernels.quantize_wide_activations(
                x, columns, 1, wide.codes.pointer + token * columns, wide.scales.pointer + token * columns / 32,
                wide.sums.pointer + token * columns / 32)
        }
    }

    /// The tokens from `token` on, for q4.
    func view(from token: Int = 0) -> pvit_activations {
        pvit_activations(
            codes: narrow.codes.pointer + token * columns, scales: narrow.scales.pointer + token * columns / 32,
            sums: narrow.sums.pointer + token * columns / 16)
    }

    /// The tokens from `token` on, for q8.
    func wideView(from token: Int = 0) -> pvit_wide_activations {
        pvit_wide_activations(
            codes: wide.codes.pointer + token * columns, scales: wide.scales.pointer + token * columns / 32,
            sums: wide.sums.pointer + token * columns / 32)
    }

    /// Some tokens, packed for the products of an instruction set. The columns are packed in two parts.
    func packed(_ tokens: Range<Int>, for format: QuantizedMatrix.Format, _ set: InstructionSet) -> GuardedBuffer<UInt8>
    {
        let kernels = set.kernels
        let tokenBytes =
            format == .q4 ? kernels.packed_activation_bytes(columns) : kernels.packed_wide_activation_bytes(columns)
        let result = GuardedBuffer<UInt8>(repeating: 0, count: tokens.count * tokenBytes)
        let middle = columns / 64 * 32
        for (number, token) in tokens.enumerated() {
            for part in [0..<middle, middle..<columns] where !part.isEmpty {
                let (start, count) = (part.lowerBound, part.count)
                switch format {
                case .q4:
                    let x = view(from: token)
                    let rest = pvit_activations(
                        codes: x.codes + start, scales: x.scales + start / 32, sums: x.sums + start / 16)
                    kernels.pack_activations(rest, start, count, columns, number, tokens.count, result.pointer)
                case .q8:
                    let x = wideView(from: token)
                    let rest = pvit_wide_activations(
                        codes: x.codes + start, scales: x.scales + start / 32, sums: x.sums + start / 32)
                    kernels.pack_wide_activations(rest, start, count, columns, number, tokens.count, result.pointer)
                }
            }
        }
        return result
    }

    /// The value of one code unit in `column` of a token.
    func scale(token: Int, column: Int, for format: QuantizedMatrix.Format) -> Double {
        let place = (token * columns + column) / 32
        return Double(format == .q4 ? narrow.scales.pointer[place] : wide.scales.pointer[place])
    }

    /// The decoded activations of a token.
    func values(token: Int, for format: QuantizedMatrix.Format) -> [Double] {
        (0..<columns).map {
            let place = token * columns + $0
            let code = format == .q4 ? Double(narrow.codes.pointer[place]) : Double(wide.codes.pointer[place])
            return code * scale(token: token, column: $0, for: format)
        }
    }
}
