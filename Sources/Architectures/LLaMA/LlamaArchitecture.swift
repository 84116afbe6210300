import Storage
import Tensors

/// The tensors of a LLaMA-family decoder, as its `config.json` describes them.
package struct LlamaArchitecture: Sendable {
    /// The sizes and constants.
    package let configuration: LlamaConfiguration

    /// Reads the sizes.
    ///
    /// - Throws: What `LlamaConfiguration.init(parsing:)` throws.
    package init(config: JSONObject) throws { self.init(try LlamaConfiguration(parsing: config)) }

    /// The architecture of a model with these sizes.
    package init(_ configuration: LlamaConfiguration) { self.configuration = configuration }

    /// Whether the output layer is the input embeddings.
    package var isTied: Bool { configuration.tiesOutput }

    /// The input embeddings: `[vocabulary, hidden]`.
    package var embedding: ExpectedTensor {
        ExpectedTensor(TensorKind.embeddingName.rawValue, [configuration.vocabularySize, configuration.hiddenSize])
    }

    /// The final RMSNorm: `[hidden]`.
    package var finalNorm: ExpectedTensor {
        ExpectedTensor(TensorKind.finalNormName.rawValue, [configuration.hiddenSize])
    }

    /// The output layer: `[vocabulary, hidden]`; the input embeddings if the model is tied.
    package var output: ExpectedTensor {
        isTied ? embedding : ExpectedTensor(TensorKind.outputName.rawValue, embedding.shape)
    }

    /// A tensor of one layer.
    package func tensor(_ tensor: LlamaLayerTensor, layer: Int) -> ExpectedTensor {
        tensor.tensor(layer: layer, in: configuration)
    }

    /// Name and shape of every tensor, in the order of a forward pass.
    package var tensors: [ExpectedTensor] {
        let layers = (0..<configuration.layerCount).flatMap { layer in
            LlamaLayerTensor.allCases.map { tensor($0, layer: layer) }
        }
        return [embedding] + layers + [finalNorm] + (isTied ? [] : [output])
    }

    /// The matrices that a pass multiplies by, in its order.
    package var matrices: [ExpectedTensor] {
        let layers = (0..<configuration.layerCount).flatMap { layer in
            LlamaLayerTensor.allCases.filter { !$0.isNorm }.map { tensor($0, layer: layer) }
        }
        return layers + [output]
    }

    /// Throws unless a source has every tensor of the decoder in its shape.
    ///
    /// It may also have PVIT's projectors, tensors that no model reads, and the output layer of a tied model.
    ///
    /// - Throws: `checkpoint.tensors`, listing what is missing, misshaped or unexpected; `model.unsupported` if there
    ///   are biases.
    package func check(_ source: some Collection<TensorDescription>) throws {
        let differences = TensorDifferences(source, expected: tensors) { name in
            let kind = TensorKind(name)
            return kind == .projector || kind == .unread || isTied && kind == .output
        }
        guard let first = differences.first else { return }
        let hasBiases = differences.unexpected.contains { $0.rawValue.hasSuffix("_proj.bias") }
        throw PVITError(
            hasBiases ? .modelUnsupported : .checkpointTensors,
            "the tensors are not those that config.json describes; \(differences.summary)", tensor: first,
            remedy: hasBiases
                ? "attention and feed-forward biases are not supported"
                : "check that the weights are complete and that config.json belongs to them")
    }
}
