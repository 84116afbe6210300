import Checkpoints
import Conversion
import Storage
import Tensors
import Testing

extension MergeTests {
    /// Bases and deltas whose sums need rounding, at ties, among subnormal numbers and near zero.
    private static let addends: [(base: Float, delta: Float)] = [
        (1, 0x1p-11), (1, 0x3p-11), (0.1, 0.2), (1 / 3, 2 / 3), (6.0e-8, 6.0e-8), (2.9e-8, 0), (3.0e-8, 0),
        (0x1p-25, 0x1p-24), (0x3p-26, 0x1p-24), (5.9604645e-08, -2.9802322e-08), (1000.3, 0.126), (2049, 1),
        (2051, -0.5), (-40000.1, -25000.2), (0x1p-14, -5.960464e-08), (1e-5, -1.00136e-5), (-0.0, 0),
        (123.4567, -123.4),
    ]

    // Of PyTorch 1.13: both sides .half(), then `delta += base`.
    @Test(
        "whatever the types of base and delta, both are cast to float16, added, and rounded to it, as PyTorch does",
        arguments: [
            (
                ElementType.f32, ElementType.f16,
                [
                    0x3C00, 0x3C02, 0x34CC, 0x3C00, 0x2, 0x0, 0x1, 0x1, 0x2, 0x1, 0x63D1, 0x6800, 0x6802, 0xFBF0, 0x3FF,
                    0x0, 0x0, 0x2C00,
                ] as [UInt16]
            ),
            (
                .f32, .f32,
                [
                    0x3C00, 0x3C02, 0x34CC, 0x3C00, 0x2, 0x0, 0x1, 0x1, 0x2, 0x1, 0x63D1, 0x6800, 0x6802, 0xFBF0, 0x3FF,
                    0x0, 0x0, 0x2C00,
                ]
            ),
            (
                .f32, .bf16,
                [
                    0x3C00, 0x3C02, 0x34CE, 0x3C01, 0x2, 0x0, 0x1, 0x1, 0x2, 0x1, 0x63D1, 0x6800, 0x6802, 0xFBEE, 0x3FF,
                    0x0, 0x0, 0xAC00,
                ]
            ),
            (
                .bf16, .f16,
                [
                    0x3C00, 0x3C02, 0x34CD, 0x3C00, 0x2, 0x0, 0x1, 0x1, 0x2, 0x1, 0x63D0, 0x6800, 0x6800, 0xFBEE, 0x3FF,
                    0x0, 0x0, 0x3000,
                ]
            ),
            (
                .bf16, .bf16,
                [
                    0x3C00, 0x3C02, 0x34CE, 0x3C02, 0x2, 0x0, 0x1, 0x1, 0x2, 0x1, 0x63D0, 0x6800, 0x6800, 0xFBEC, 0x3FF,
                    0x0, 0x0, 0x0,
                ]
            ),
        ])
    func otherTypes(baseType: ElementType, deltaType: ElementType, sums: [UInt16]) throws {
        let (bases, deltas) = (Self.addends.map(\.base), Self.addends.map(\.delta))
        // The last row is one that only the delta has.
        let name = "model.embed_tokens.weight"
        let result = try DeltaMerge.merge(
            base: checkpoint([tensor(name, [bases.count, 1], bases, baseType)]),
            delta: checkpoint(
                [
                    tensor(name, [deltas.count + 1, 1], deltas + [0.1], deltaType),
                    tensor("model.mm_projector.weight", [1], [0.1], deltaType),
                ], config: ["torch_dtype": "float32", "dtype": "bfloat16", "vocab_size": 3]))
        let weights = result.checkpoint.weights
        #expect(weights.tensors.map(\.elementType) == [.f16, .f16])
        let passed: UInt16 = deltaType == .bf16 ? 0x2E68 : 0x2E66
        let expected = [sums + [passed], [passed]]
        for (tensor, bits) in zip(weights.tensors, expected) {
            var bytes: [UInt8] = []
            for number in bits { bytes.appendLittleEndian(number) }
            #expect(try weights.bytes(ofRows: 0..<tensor.shape.rows, of: tensor) == bytes, "\(tensor.name)")
        }
        #expect(result.cast.base == (baseType == .f16 ? [] : [TensorName(name)]))
        #expect(result.cast.other.count == (deltaType == .f16 ? 0 : 2))
        let config = try #require(result.checkpoint.config)
        #expect(config["torch_dtype"] == "float16" && config["dtype"] == "float16")
        #expect(config["vocab_size"] == 19 && result.outdatedVocabularySize == 3)
    }

    @Test("a number that float16 cannot hold is an error that names the side, the tensor and the number")
    func overflow() throws {
        let base = try mergeError([tensor("a", [2], [1, 65520], .f32)], [tensor("a", [2], [1, 0])])
        #expect(base.code == .mergeOverflow && base.tensor == "a")
        #expect(base.what.contains("in the base, the number 65520.0"))
        let delta = try mergeError([tensor("a", [1], [1])], [tensor("a", [1], [-1e30], .bf16)])
        #expect(delta.code == .mergeOverflow && delta.what.contains("in the delta"))
        let passed = try mergeError([], [tensor("model.bbox_fc.bias", [1], [1e6], .f32)])
        #expect(passed.code == .mergeOverflow)
        // 65519 rounds to the largest number there is.
        let largest = try DeltaMerge.merge(
            base: checkpoint([tensor("a", [1], [65519], .f32)]), delta: checkpoint([tensor("a", [1], [0])]))
        #expect(try values("a", in: largest.checkpoint) == [65504])
    }

    @Test("a difference is taken in float16, too, whatever the types, and the bases of all precisions are one base")
    func differenceInHalfPrecision() throws {
        let norm = "model.norm.weight"
        let base: [Float] = [1.0002, 0.5, 0.25]
        let target = try checkpoint([tensor(norm, [3], [1.1, 0.3, 0.2], .bf16)], config: ["dtype": "bfloat16"])
        let difference = try DeltaMerge.difference(base: checkpoint([tensor(norm, [3], base, .f32)]), target: target)
        // PyTorch 1.13: target.half() - base.half().
        #expect(difference.checkpoint.weights.tensors[0].elementType == .f16)
        #expect(try values(TensorName(norm), in: difference.checkpoint) == [0.1015625, -0.19921875, -0.0498046875])
        #expect(difference.checkpoint.config?["dtype"] == "float16")
        for type in [ElementType.f32, .f16] {
            let merged = try DeltaMerge.merge(
                base: checkpoint([tensor(norm, [3], base, type)]), delta: difference.checkpoint)
            #expect(try values(TensorName(norm), in: merged.checkpoint) == [1.1015625, 0.30078125, 0.2001953125])
        }
        let other = try #require(throws: PVITError.self) {
            try DeltaMerge.merge(
                base: checkpoint([tensor(norm, [3], [1.01, 0.5, 0.25], .f32)]), delta: difference.checkpoint)
        }
        #expect(other.code == .mergeOtherBase)
    }
}
