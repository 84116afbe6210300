import Conversion
import Tensors

/// Samples of a model's weights, for each kind of matrix.
struct WeightSamples {
    /// The kinds that the model has, in the order of a forward pass, with their samples.
    let kinds: [(kind: MatrixKind, sample: WeightSample)]
    /// Why weights could not be read; nil if they could.
    let problem: String?

    /// Reads some rows of each matrix.
    ///
    /// - Parameter limit: About how many weights to read at most.
    init(of model: InspectedModel, limit: Int = WeightSample.defaultLimit) {
        let rows = Dictionary(model.report.tensors.map { ($0.name, $0) }) { first, _ in first }
        let matrices = model.source.tensors.filter { tensor in
            guard let row = rows[tensor.name], row.aliasOf == nil else { return false }
            return WeightSample.covers(tensor) && row.component != .norms
        }
        let limitOfEach = limit / max(matrices.count, 1)
        var samples: [MatrixKind: WeightSample] = [:]
        do {
            for matrix in matrices {
                try samples[MatrixKind(matrix.name), default: WeightSample()].add(
                    matrix, in: model.source, limit: limitOfEach)
            }
            problem = nil
        } catch {
            problem = "\(error)"
        }
        kinds = MatrixKind.all.compactMap { kind in samples[kind].flatMap { $0.totalCount > 0 ? (kind, $0) : nil } }
    }

    /// The number of weights that were read.
    var sampledCount: Int { kinds.reduce(0) { $0 + $1.sample.sampledCount } }
    /// The number of weights in the matrices that they belong to.
    var totalCount: Int { kinds.reduce(0) { $0 + $1.sample.totalCount } }
}
