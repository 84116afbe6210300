import Container
import Platform
import Storage
import Tensors

@testable import LanguageModel

/// A tiny model of random weights with awkward sizes: a vocabulary that fills no group of 16 rows, rows that end in
/// half a superblock, three queries for each key.
struct SyntheticCheckpoint: TensorSource {
    static let config: JSONObject = [
        "hidden_size": 96, "intermediate_size": 352, "num_hidden_layers": 2, "num_attention_heads": 3,
        "num_key_value_heads": 1, "vocab_size": 301, "rms_norm_eps": 1e-5, "tie_word_embeddings": true,
        "max_position_embeddings": 64,
    ]
    let tensors: [TensorDescription]

    init() throws {
        var shapes: [(String, [Int])] = [("model.embed_tokens.weight", [301, 96]), ("model.norm.weight", [96])]
        for layer in 0..<2 {
            let prefix = "model.layers.\(layer)."
            shapes += [
                ("input_layernorm.weight", [96]), ("self_attn.q_proj.weight", [96, 96]),
                ("self_attn.k_proj.weight", [32, 96]), ("self_attn.v_proj.weight", [32, 96]),
                ("self_attn.o_proj.weight", [96, 96]), ("post_attention_layernorm.weight", [96]),
                ("mlp.gate_proj.weight", [352, 96]), ("mlp.up_proj.weight", [352, 96]),
                ("mlp.down_proj.weight", [96, 352]),
            ].map { (prefix + $0.0, $0.1) }
        }
        tensors = try shapes.compactMap { name, extents in
            try Shape(extents).map { try TensorDescription(name: TensorName(name), elementType: .f16, shape: $0) }
        }
    }

    func readRows(_ rows: Range<Int>, of tensor: TensorDescription, into destination: inout MutableRawSpan) throws {
        let columns = tensor.shape.elementsPerRow
        let isNorm = tensor.shape.rank == 1
        let number = UInt64(tensors.firstIndex(of: tensor) ?? 0)
        for row in rows {
            var random = RandomSource(seed: number << 32 | UInt64(row))
            for column in 0..<columns {
                // Uniform, with a variance of 1 / columns.
                let value = (random.nextUnit() * 2 - 1) * (3 / Double(columns)).squareRoot()
                let bits = Float16(isNorm ? 1 + value / 10 : value).bitPattern
                destination.storeBytes(
                    of: bits, toByteOffset: ((row - rows.lowerBound) * columns + column) * 2, as: UInt16.self)
            }
        }
    }
}

extension TestModel {
    /// The ways in which the synthetic model is written.
    private struct Form: Hashable {
        let matrices: Matrices
        let compression: Compression
        let rowsPerTile: Int?
    }

    private static let forms = Lock<[Form: TestModel]>([:])

    /// The synthetic model, written in some way, once for all tests.
    static func synthetic(
        matrices: Matrices = .asStored, compression: Compression = .none, rowsPerTile: Int? = nil
    ) throws -> TestModel {
        try forms.withLock { models in
            let form = Form(matrices: matrices, compression: compression, rowsPerTile: rowsPerTile)
            if let model = models[form] { return try model.reopened() }
            let model = try TestModel(
                SyntheticCheckpoint(), SyntheticCheckpoint.config, matrices: matrices, compression: compression,
                rowsPerTile: rowsPerTile)
            models[form] = model
            return model
        }
    }
}
