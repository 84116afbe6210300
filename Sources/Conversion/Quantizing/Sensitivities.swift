import Checkpoints
import Parallelism
import Quantization
import Storage
import Tensors

/// How much a model's predictions change when one matrix alone is stored as q4.
package struct Sensitivities: Sendable, Hashable {
    /// The key in a container's metadata: `{"tokens": Int, "divergence": {NAME: Double, …}}`.
    package static let key = "provenance.sensitivity"

    /// The number of tokens that it was measured on; nil if a file does not say.
    package let tokenCount: Int?
    /// The mean Kullback-Leibler divergence of the next token's distribution, in nats, for each matrix.
    package let divergences: [TensorName: Double]

    /// A divergence above this cannot have been measured.
    private static let largestDivergence = 1e6

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
            purpose: "measuring sensitivities"
        ) { _ in "leave out --bits" }
        let measurement = try SensitivityMeasurement(
            plan.configuration, tokens: tokens, outputName: plan.outputName, pool: pool,
            reader: plan.reader(of: source))
        tokenCount = tokens.ids.count
        divergences = try measurement.divergences(of: Set(names), progress: progress)
    }

    /// Reads the value of `key`. Numbers that cannot be divergences and names of other tensors are left out.
    ///
    /// - Parameter names: The names of the model's tensors.
    /// - Returns: nil if nothing is left.
    package init?(parsing value: JSONValue?, names: Set<TensorName>) {
        var divergences: [TensorName: Double] = [:]
        for member in value?["divergence"]?.object?.members ?? [] {
            let name = TensorName(member.key)
            guard let divergence = member.value.double, (0...Self.largestDivergence).contains(divergence),
                names.contains(name)
            else { continue }
            divergences[name] = divergence
        }
        guard !divergences.isEmpty else { return nil }
        self.divergences = divergences
        tokenCount = value?["tokens"]?.integer.flatMap { $0 > 0 ? $0 : nil }
    }

    /// The value of `key`.
    ///
    /// - Parameter order: The names in the order of the file.
    func record(order: [TensorName]) -> JSONValue {
        var numbers = JSONObject()
        for name in order { numbers[name.rawValue] = divergences[name].map { .number($0) } }
        return ["tokens": tokenCount.map { .integer($0) } ?? .null, "divergence": .object(numbers)]
    }
}
