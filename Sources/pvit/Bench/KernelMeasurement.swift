import Compute
import LanguageModel
import Storage

/// The speed of a kernel on one thread.
struct KernelMeasurement {
    let kernel: KernelBenchmark.Kernel
    let instructionSet: String
    let times: RunTimes
    /// The machine's limit for the kernel's measure, per second; nil if it is not known.
    let limit: Double?

    static let titles: [(String, TextTable.Alignment)] = [
        ("kernel", .left), ("instructions", .left), ("speed", .right), ("", .left), ("spread", .right),
        ("limit", .right), ("share", .right),
    ]

    private var speed: Double { kernel.amount / times.median }
    private var unit: String {
        switch kernel.measure {
        case .memory: "GB/s of memory"
        case .cache: "GB/s of cache"
        case .integerOperations: "GOPS"
        case .floatOperations: "GFLOPS"
        }
    }

    var cells: [String] {
        [
            kernel.name, instructionSet, (speed / 1e9).formatted(decimals: 1), unit,
            (times.spread * 100).formatted(decimals: 0) + "%",
            limit.map { ($0 / 1e9).formatted(decimals: 1) } ?? "-",
            limit.map { (speed / $0 * 100).formatted(decimals: 0) + "%" } ?? "-",
        ]
    }

    var json: JSONValue {
        [
            "kernel": .string(kernel.name), "instruction_set": .string(instructionSet),
            "measure": .string(kernel.measure.rawValue), "per_s": .number(speed), "spread": .number(times.spread),
            "limit": limit.map { .number($0) } ?? .null,
            "share_of_limit": limit.map { .number(speed / $0) } ?? .null,
        ]
    }
}

/// Measures every kernel on every instruction set that the machine has, with the limits for each.
func measureKernels(_ clock: Stopwatch) throws -> [KernelMeasurement] {
    try InstructionSet.allCases.filter(\.isSupported).flatMap { set in
        let engine = try ComputeEngine(threadCount: 1, instructionSet: set)
        let limits = try MachineLimits(of: engine, within: nil, clock)
        return try KernelBenchmark(engine: engine).all.map { kernel in
            let limit: Double? =
                switch kernel.measure {
                case .memory: limits.bytesPerSecond
                case .integerOperations: limits.operationsPerSecond
                case .cache, .floatOperations: nil
                }
            return KernelMeasurement(
                kernel: kernel, instructionSet: set.rawValue, times: try clock.timeShort(kernel.run), limit: limit)
        }
    }
}
