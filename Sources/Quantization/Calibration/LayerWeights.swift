import Architectures
import LinearAlgebra
import Parallelism
import Storage
import Tensors

/// The weights of a layer, read when they are needed.
struct LayerWeights {
    private let number: Int
    private let configuration: LlamaConfiguration
    private let reader: WeightReader
    private let pool: ThreadPool
    /// The rows that a thread reads at a time.
    private static let rowsAtOnce = 64

    init(
        number: Int, _ configuration: LlamaConfiguration, reader: @escaping WeightReader,
        pool: ThreadPool
    ) {
        self.number = number
        self.configuration = configuration
        self.reader = reader
        self.pool = pool
    }

    /// `model.layers.N.PART.weight`
    func name(_ part: String) -> TensorName { TensorName("model.layers.\(number).\(part).weight") }

    /// [hidden]
    func norm(_ norm: String) throws -> [Float] {
        try read(0..<configuration.hiddenSize, of: name(norm), count: configuration.hiddenSize, by: reader)
    }

    /// [rows, columns]: the matrix with this index among those of a stage.
    func matrix(_ index: Int, of stage: LayerStage) throws -> DenseMatrix<Float> {
        let name = name(stage.matrices[index])
        let result = try DenseMatrix<Float>(
            rows: configuration.rows(of: stage)[index], columns: configuration.columns(of: stage))
        let reader = reader
        try pool.parallelFor(result.rows, chunk: Self.rowsAtOnce) { rows, _ in
            let numbers = try read(rows, of: name, count: rows.count * result.columns, by: reader)
            result.row(rows.lowerBound).update(from: numbers, count: numbers.count)
        }
        return result
    }
}

extension LlamaConfiguration {
    /// Checks that tokens can pass through the model while it is quantized.
    ///
    /// - Throws: `quantize.shape` for sizes that the kernels cannot compute, `quantize.calibration` for tokens without
    ///   embeddings.
    func requireMeasurable(_ tokens: CalibrationTokens) throws {
        guard canMeasureImportance else {
            throw PVITError(.cannotQuantize, "the sizes of the model do not fit together")
        }
        guard tokens.ids.allSatisfy({ (0..<vocabularySize).contains($0) }) else {
            throw PVITError(
                .badCalibration, "the tokenizer has tokens that the model has no embeddings for",
                remedy: "put the tokenizer files of the model beside its weights")
        }
    }
}

/// Adds the name of a tensor to errors that name none.
func located<Result>(tensor: TensorName, _ body: () throws -> Result) throws -> Result {
    do {
        return try body()
    } catch let error as PVITError {
        throw error.located(tensor: tensor)
    }
}
