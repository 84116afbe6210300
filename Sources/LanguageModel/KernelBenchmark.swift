import CKernels
import Compute

/// Runs single kernels of an engine's instruction set on one thread, with operands of a LLaMA-7B's sizes.
///
/// The weights, keys and values that one token is multiplied by come from memory, all other operands from the
/// processor's caches.
package final class KernelBenchmark {
    /// What the speed of a kernel is counted in, and what bounds it.
    package enum Measure: String, Sendable {
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
    package struct Kernel {
        /// What it computes.
        package let name: String
        /// What its speed is counted in.
        package let measure: Measure
        /// How much one run does.
        package let amount: Double
        /// Runs it.
        package let run: () -> Void
    }

    private let kernels: pvit_kernels
    private let columns = 4096
    private let headWidth = 128
    private let headCount = 32
    private let tokens = 128
    private let x: Matrix  // [tokens, columns]
    private let y: Matrix  // [tokens, columns]
    private let scratch: Matrix
    private let memory: UnsafeMutableRawPointer
    private static let memoryByteCount = 96 << 20
    /// The row of `y` that is zeros; the others are ones.
    private static let zeros = 4

    /// Takes about 100 MiB of memory until it is deinitialized.
    package init(engine: ComputeEngine) {
        kernels = engine.kernels
        x = Matrix(rows: tokens, columns: columns)
        y = Matrix(rows: tokens, columns: columns)
        scratch = Matrix(rows: 1, columns: pvit_attention_scratch(tokens, headWidth))
        memory = .allocate(byteCount: Self.memoryByteCount, alignment: 4096)
        // As a binary16, as two, as a scale field and as codes this byte is an ordinary number.
        memory.initializeMemory(as: UInt8.self, repeating: 0x2C, count: Self.memoryByteCount)
        for row in 0..<tokens {
            for column in 0..<columns {
                x.row(row)[column] = Float((row * 7 + column * 13) % 255 - 127) / 127
                y.row(row)[column] = row == Self.zeros ? 0 : 1
            }
        }
        for row in 0..<tokens {
            x.pack(row: row, into: x.packedActivations(kernels), kernels)
            x.packWide(row: row, into: x.packedWideActivations(kernels), kernels)
        }
        x.quantize(row: 0, kernels)
        x.quantizeWide(row: 0, kernels)
    }

    deinit { memory.deallocate() }

    /// All kernels that are measured.
    package var all: [Kernel] { vectorProducts + matrixProducts + attention + layers }

    private var bytes: UnsafePointer<UInt8> { UnsafePointer(memory.assumingMemoryBound(to: UInt8.self)) }
    private var halves: UnsafePointer<UInt16> { UnsafePointer(memory.assumingMemoryBound(to: UInt16.self)) }

    /// Calls `body` with the offset of each whole chunk of `byteCount` bytes in the memory.
    private func forEachChunk(_ byteCount: Int, _ body: (_ offset: Int) -> Void) {
        for chunk in 0..<Self.memoryByteCount / byteCount { body(chunk * byteCount) }
    }

    private func vectorProduct(_ name: String, bytesPerGroup: Int, _ body: @escaping (_ offset: Int) -> Void) -> Kernel
    {
        // Two groups at a time, as results for 32 rows.
        let byteCount = 2 * bytesPerGroup
        return Kernel(
            name: name, measure: .memory, amount: Double(Self.memoryByteCount / byteCount * byteCount)
        ) { [self] in forEachChunk(byteCount, body) }
    }

    private var vectorProducts: [Kernel] {
        [
            vectorProduct("gemv q4", bytesPerGroup: columns * 9) { [self] offset in
                kernels.gemv_q4(bytes + offset, 2, columns, 1, x.activations, 1, y.start, 0)
            },
            vectorProduct("gemv q8", bytesPerGroup: columns * 17) { [self] offset in
                kernels.gemv_q8(bytes + offset, 2, columns, 1, x.wideActivations, 1, y.start, 0)
            },
            vectorProduct("gemv f16", bytesPerGroup: columns * 32) { [self] offset in
                kernels.gemv_f16(halves + offset / 2, 32, columns, x.start, y.start)
            },
            vectorProduct("gemv bf16", bytesPerGroup: columns * 32) { [self] offset in
                kernels.gemv_bf16(halves + offset / 2, 32, columns, x.start, y.start)
            },
        ]
    }

    private var matrixProducts: [Kernel] {
        let groups = 8
        let operations = Double(2 * 16 * groups * columns * tokens)
        return [
            Kernel(name: "gemm q4", measure: .integerOperations, amount: operations) { [self] in
                kernels.gemm_q4(bytes, groups, columns, 1, x.packedActivations(kernels), tokens, y.start, y.stride)
            },
            Kernel(name: "gemm q8", measure: .integerOperations, amount: operations) { [self] in
                kernels.gemm_q8(
                    bytes, groups, columns, 1, x.packedWideActivations(kernels), tokens, y.start, y.stride)
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
                    forEachChunk(2 * half) { offset in
                        kernels.attend(
                            x.start, 1, 1, headWidth, memory + offset, memory + offset + half, storage.code, headWidth,
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
                kernels.rms_norm(x.row(0), x.row(1), columns, 1e-6, y.row(0))
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
                x.quantize(row: 0, kernels)
            },
            Kernel(name: "activations in 16 bits", measure: .cache, amount: 6 * numbers) { [self] in
                x.quantizeWide(row: 0, kernels)
            },
        ]
    }
}
