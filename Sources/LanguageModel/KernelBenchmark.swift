import CKernels

/// Runs single kernels of an engine's instruction set on one thread, on inputs of a LLaMA-7B's sizes.
///
/// Weights, keys and values that one token is multiplied by lie in memory, everything else in the processor's caches.
public final class KernelBenchmark {
    /// What the speed of a kernel is counted in, and what bounds it.
    public enum Measure: String, Sendable {
        /// Bytes that have to come from memory.
        case memory
        /// Bytes that come from a cache.
        case cache
        /// Integer multiplications and additions.
        case integerOperations = "integer operations"
        /// Floating-point multiplications and additions.
        case floatOperations = "float operations"
    }

    /// One kernel with its inputs.
    public struct Kernel {
        /// What it computes.
        public let name: String
        /// What its speed is counted in.
        public let measure: Measure
        /// How much one run does.
        public let amount: Double
        /// Runs it.
        public let run: () -> Void
    }

    private let kernels: Kernels
    private let columns = 4096
    private let headWidth = 128
    private let headCount = 32
    private let tokens = 128
    private let x: ActivationMatrix  // [tokens, columns]
    private let y: ActivationMatrix  // [tokens, columns]
    private let scratch: ActivationMatrix
    private let memory: UnsafeMutableRawPointer
    private static let memoryByteCount = 96 << 20
    /// The row of `y` that is zeros; the others are ones.
    private static let zeros = 4

    /// Takes about 100 MiB of memory until it is deinitialized.
    public init(engine: ComputeEngine) {
        kernels = engine.kernels
        x = ActivationMatrix(capacity: tokens, columns: columns)
        y = ActivationMatrix(capacity: tokens, columns: columns)
        scratch = ActivationMatrix(capacity: 1, columns: pvit_attention_scratch(tokens, headWidth))
        memory = .allocate(byteCount: Self.memoryByteCount, alignment: 4096)
        // As a binary16, as two, as a scale field and as codes this byte is an ordinary number.
        memory.initializeMemory(as: UInt8.self, repeating: 0x2C, count: Self.memoryByteCount)
        for row in 0..<tokens {
            for column in 0..<columns {
                x.row(row)[column] = Float((row * 7 + column * 13) % 255 - 127) / 127
                y.row(row)[column] = row == Self.zeros ? 0 : 1
            }
            let (place, block) = (row * columns, row * (columns / 32))
            let (narrow, wide) = (x.quantized, x.wide)
            kernels.quantizeActivations(
                x.row(row), columns, narrow.codes + place, narrow.scales + block, narrow.sums + 2 * block)
            kernels.quantizeWideActivations(
                x.row(row), columns, wide.codes + place, wide.scales + block, wide.sums + block)
        }
    }

    deinit { memory.deallocate() }

    /// All kernels that are measured.
    public var all: [Kernel] { vectorProducts + matrixProducts + attention + layers }

    private var bytes: UnsafePointer<UInt8> { UnsafePointer(memory.assumingMemoryBound(to: UInt8.self)) }
    private var halves: UnsafePointer<UInt16> { UnsafePointer(memory.assumingMemoryBound(to: UInt16.self)) }

    /// Calls `body` for the places of as many pieces of `byteCount` bytes as the memory has.
    private func forEachPiece(_ byteCount: Int, _ body: (_ place: Int) -> Void) {
        for piece in 0..<Self.memoryByteCount / byteCount { body(piece * byteCount) }
    }

    private func vectorProduct(_ name: String, bytesPerGroup: Int, _ body: @escaping (_ place: Int) -> Void) -> Kernel {
        // Two groups at a time, as results for 32 rows.
        let byteCount = 2 * bytesPerGroup
        return Kernel(
            name: name, measure: .memory, amount: Double(Self.memoryByteCount / byteCount * byteCount)
        ) { [self] in forEachPiece(byteCount, body) }
    }

    private var vectorProducts: [Kernel] {
        [
            vectorProduct("gemv q4", bytesPerGroup: columns * 9) { [self] place in
                kernels.gemvQ4(bytes + place, 2, columns, 1, x.quantized.pointers, y.start)
            },
            vectorProduct("gemv q8", bytesPerGroup: columns * 17) { [self] place in
                kernels.gemvQ8(bytes + place, 2, columns, 1, x.wide.pointers, y.start)
            },
            vectorProduct("gemv f16", bytesPerGroup: columns * 32) { [self] place in
                kernels.gemvF16(halves + place / 2, 32, columns, x.start, y.start)
            },
            vectorProduct("gemv bf16", bytesPerGroup: columns * 32) { [self] place in
                kernels.gemvBF16(halves + place / 2, 32, columns, x.start, y.start)
            },
        ]
    }

    private var matrixProducts: [Kernel] {
        let groups = 8
        let operations = Double(2 * 16 * groups * columns * tokens)
        return [
            Kernel(name: "gemm q4", measure: .integerOperations, amount: operations) { [self] in
                kernels.gemmQ4(bytes, groups, columns, 1, x.quantized.pointers, tokens, y.start, y.stride)
            },
            Kernel(name: "gemm q8", measure: .integerOperations, amount: operations) { [self] in
                kernels.gemmQ8(bytes, groups, columns, 1, x.wide.pointers, tokens, y.start, y.stride)
            },
        ]
    }

    private var attention: [Kernel] {
        let positions = 2048
        return [KVCache.Storage.f16, .q8].flatMap { storage in
            let half = positions * pvit_kv_row_bytes(storage.code, headWidth)
            let heads = Self.memoryByteCount / (2 * half)
            let queries = 48
            return [
                Kernel(
                    name: "attention \(storage.rawValue), 1 token", measure: .memory, amount: Double(heads * 2 * half)
                ) { [self] in
                    forEachPiece(2 * half) { place in
                        kernels.attend(
                            x.start, 1, 1, headWidth, memory + place, memory + place + half, storage.code, headWidth,
                            positions, 0.1, scratch.start, y.start)
                    }
                },
                Kernel(
                    name: "attention \(storage.rawValue), \(queries) tokens", measure: .floatOperations,
                    amount: Double(4 * queries * positions * headWidth)
                ) { [self] in
                    kernels.attend(
                        x.start, queries, 1, columns, memory, memory + half, storage.code, headWidth,
                        positions - queries, 0.1, scratch.start, y.start)
                },
            ]
        }
    }

    private var layers: [Kernel] {
        let numbers = Double(columns)
        return [
            Kernel(name: "rms norm", measure: .cache, amount: 12 * numbers) { [self] in
                kernels.rmsNorm(x.row(0), x.row(1), columns, 1e-6, y.row(0))
            },
            Kernel(name: "rope", measure: .cache, amount: 8 * numbers) { [self] in
                kernels.rope(y.row(1), headCount, headWidth, y.row(3), y.row(Self.zeros))
            },
            Kernel(name: "swiglu", measure: .cache, amount: 12 * numbers) { [self] in
                kernels.swiglu(x.row(0), x.row(1), columns, y.row(0))
            },
            Kernel(name: "add", measure: .cache, amount: 12 * numbers) { [self] in
                kernels.add(y.row(2), x.row(0), columns)
            },
            Kernel(name: "activations in 8 bits", measure: .cache, amount: 5 * numbers) { [self] in
                let narrow = x.quantized
                kernels.quantizeActivations(x.row(0), columns, narrow.codes, narrow.scales, narrow.sums)
            },
            Kernel(name: "activations in 16 bits", measure: .cache, amount: 6 * numbers) { [self] in
                let wide = x.wide
                kernels.quantizeWideActivations(x.row(0), columns, wide.codes, wide.scales, wide.sums)
            },
        ]
    }
}
