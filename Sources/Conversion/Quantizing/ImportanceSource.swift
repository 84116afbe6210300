import Architectures
import Checkpoints
import Quantization
import Storage
import Tensors

/// Where the importance of the columns of a model's matrices comes from.
package enum ImportanceSource: Sendable {
    /// It is measured on random tokens while the model is encoded.
    case randomTokens
    /// Matrices are quantized by second-order calibration on texts, which knows more than importance.
    case calibration(Calibration)
    /// It was measured by llama.cpp.
    case matrix(ImportanceMatrix)

    /// The texts of a calibration.
    var texts: Calibration? {
        if case .calibration(let texts) = self { texts } else { nil }
    }

    /// The name in the container's recipe.
    var name: String {
        switch self {
        case .randomTokens: "random tokens"
        case .calibration: "second order"
        case .matrix: "imatrix"
        }
    }
}

extension ImportanceMatrix {
    /// Checks that the matrix was measured on a model with these tensors.
    ///
    /// - Throws: `imatrix.other-model` naming the first tensor that is to be quantized and has no importance, the first
    ///   one that has another number of columns, or the first one with importance that the model does not have.
    func check(_ entries: [QuantizePlan.Entry]) throws {
        let remedy = "give the importance matrix of this model"
        var unused = Set(columns.keys)
        for entry in entries {
            guard case .linear = TensorKind(entry.tensor.name) else { continue }
            let (name, width) = (entry.tensor.name, entry.tensor.shape.elementsPerRow)
            guard let importance = columns[name] else {
                guard entry.encoding.isQuantized else { continue }
                throw PVITError(
                    .imatrixOtherModel, "\(self.name) has no importance for this matrix", tensor: name, remedy: remedy)
            }
            guard importance.count == width else {
                throw PVITError(
                    .imatrixOtherModel,
                    "\(self.name) has the importance of \(importance.count) columns, but the matrix has \(width)",
                    tensor: name, remedy: remedy)
            }
            unused.remove(name)
        }
        if let name = unused.min() {
            throw PVITError(
                .imatrixOtherModel, "\(self.name) has the importance of a matrix that the model does not have",
                tensor: name, remedy: remedy)
        }
    }

    /// The description of the file in the container's recipe.
    var record: JSONValue {
        ["path": .string(name), "bytes": .integer(byteCount), "sha256": .string(digest.description)]
    }
}

/// Gives the importance of columns while a model is encoded.
enum ColumnImportance: Sendable {
    /// All columns count the same.
    case uniform
    /// It is measured on the way.
    case measured(ImportanceMeasurement)
    /// It is known.
    case given(ImportanceMatrix)

    /// The importance of the columns of a matrix; nil for tensors that have none. Every matrix must pass by, in the
    /// order of a forward pass.
    ///
    /// - Parameter weights: [rows, columns].
    /// - Throws: What `ImportanceMeasurement.observe` throws.
    func columns(of name: TensorName, rows: Range<Int>, weights: Span<Float>) throws -> [Float]? {
        switch self {
        case .uniform: nil
        case .measured(let measurement): try measurement.observe(rows, of: name, weights: weights)
        case .given(let matrix): matrix.columns[name]
        }
    }

    /// Ends all waiting for tiles that will not come.
    func abandon() {
        if case .measured(let measurement) = self { measurement.abandon() }
    }
}
