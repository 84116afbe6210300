import Checkpoints
import Parallelism
import Quantization
import Storage
import Tensors

/// How much the model diverges when each of its matrices alone is stored as q4.
struct Sensitivities: Sendable {
    /// The number of tokens that they were measured on.
    let tokenCount: Int
    /// Mean KL divergences, in nats.
    let divergences: [TensorName: Double]

    /// Measures them.
    ///
    /// - Parameters:
    ///   - texts: The texts that a small sample is taken from.
    ///   - progress: Called with the share of the work that is done.
    /// - Throws: `calibrate.memory` if the passes need more memory than they may use, what `Calibration.briefTokens`
    ///   and `SensitivityMeasurement` throw.
    init(
        of checkpoint: Checkpoint, _ plan: QuantizePlan, texts: Calibration, memory: ByteCount?,
        source: any TensorSource, pool: ThreadPool, progress: (_ share: Double) -> Void
    ) throws {
        let tokens = try texts.briefTokens(for: checkpoint, plan.configuration)
        let names = plan.adjustableEntries.map(\.tensor.name)
        try Calibration.requireMemory(
            SensitivityMeasurement.byteCount(
                plan.configuration, tokenCount: tokens.ids.count, matrixCount: names.count), limit: memory,
            purpose: "measuring sensitivities", remedy: "leave out --bits")
        let measurement = try SensitivityMeasurement(
            plan.configuration, tokens: tokens, outputName: plan.outputName, pool: pool,
            reader: plan.reader(of: source))
        let divergences = try measurement.divergences(of: Set(names), progress: progress)
        self.init(tokenCount: tokens.ids.count, divergences: divergences)
    }

    /// The value in a container's metadata.
    ///
    /// - Parameter order: The names in the order of the file.
    func record(order: [TensorName]) -> JSONValue {
        var numbers = JSONObject()
        for name in order { numbers[name.rawValue] = divergences[name].map { .number($0) } }
        return ["tokens": .integer(tokenCount), "divergence": .object(numbers)]
    }

    init(tokenCount: Int, divergences: [TensorName: Double]) {
        self.tokenCount = tokenCount
        self.divergences = divergences
    }

    /// Reads a record; nil for anything else.
    init?(_ record: JSONValue) {
        guard let tokenCount = record["tokens"]?.integer, let numbers = record["divergence"]?.object else { return nil }
        var divergences: [TensorName: Double] = [:]
        for member in numbers.members {
            guard let number = member.value.double, number.isFinite, number >= 0 else { return nil }
            divergences[TensorName(member.key)] = number
        }
        self.init(tokenCount: tokenCount, divergences: divergences)
    }
}
