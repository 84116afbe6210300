import Architectures
import CKernels
import CheckpointTestSupport
import LinearAlgebra
import Parallelism
import Storage
import Tensors
import Testing

@testable import Quantization

@Suite("Measuring sensitivities")
struct SensitivityMeasurementTests {
    private let tokens = CalibrationTokens.random(vocabulary: 50)
    private static let output = TensorKind.embeddingName

    private func divergences(
        _ model: SmallModel, of names: [TensorName], threads: Int = 2
    ) throws -> [TensorName: Double] {
        let measurement = try SensitivityMeasurement(
            SmallModel.configuration, tokens: tokens, outputName: Self.output,
            pool: ThreadPool(threadCount: threads), reader: model.reader)
        return try measurement.divergences(of: Set(names))
    }

    /// A forward pass in numpy of 4 sequences of 16 tokens. Prints the mean squares of the inputs of each matrix, and,
    /// given rounded matrices, the divergence that each of them causes: half the variance of the change of the logits,
    /// and KL.
    private static let script = """
        import sys, numpy as np
        ids = [int(t) for t in sys.argv[2].split(",")]
        def read(path): return np.fromfile(path, "<f4").astype("f8")
        shapes = [("embed", 50, 32)]
        for l in range(2):
            shapes += [(f"{l}n1", 32), (f"{l}q", 64, 32), (f"{l}k", 32, 32), (f"{l}v", 32, 32), (f"{l}o", 32, 64),
                       (f"{l}n2", 32), (f"{l}g", 96, 32), (f"{l}u", 96, 32), (f"{l}d", 32, 96)]
        shapes.append(("norm", 32))
        def split(data):
            result = {}
            for name, *shape in shapes:
                n = int(np.prod(shape)); result[name], data = data[:n].reshape(shape), data[n:]
            return result
        angles = np.arange(16)[:, None] * 500.0 ** (-np.arange(8) / 8)
        cos, sin = np.cos(angles)[None, :, None], np.sin(angles)[None, :, None]
        def rope(x):
            a, b = x[..., :8], x[..., 8:]
            return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)
        def norm(x, g): return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * g
        def logits(w, seen=None):
            note = seen if seen is not None else (lambda x: None)
            h = w["embed"][ids].reshape(4, 16, 32)
            for l in map(str, range(2)):
                x = norm(h, w[l + "n1"]); note(x); note(x); note(x)
                q, k, v = x @ w[l + "q"].T, x @ w[l + "k"].T, x @ w[l + "v"].T
                q, k, v = rope(q.reshape(4, 16, 4, 16)), rope(k.reshape(4, 16, 2, 16)), v.reshape(4, 16, 2, 16)
                k, v = np.repeat(k, 2, 2), np.repeat(v, 2, 2)
                s = np.einsum("bqhd,bkhd->bhqk", q, k) / 4 + np.triu(np.full((16, 16), -np.inf), 1)
                p = np.exp(s - s.max(-1, keepdims=True)); p /= p.sum(-1, keepdims=True)
                a = np.einsum("bhqk,bkhd->bqhd", p, v).reshape(4, 16, 64); note(a)
                h = h + a @ w[l + "o"].T
                x = norm(h, w[l + "n2"]); note(x); note(x)
                g, u = x @ w[l + "g"].T, x @ w[l + "u"].T
                m = g / (1 + np.exp(-g)) * u; note(m)
                h = h + m @ w[l + "d"].T
            return norm(h, w["norm"]) @ w["embed"].T
        weights = split(read(sys.argv[1]))
        if len(sys.argv) == 3:
            logits(weights, lambda x: print(*np.mean(x.reshape(64, -1) ** 2, 0)))
        else:
            rounded, y = split(read(sys.argv[3])), logits(weights)
            p = np.exp(y - y.max(-1, keepdims=True)); p /= p.sum(-1, keepdims=True)
            for name, *shape in shapes:
                if len(shape) < 2: continue
                z = logits({**weights, name: rounded[name]})
                u = z - y
                q = np.exp(z - z.max(-1, keepdims=True)); q /= q.sum(-1, keepdims=True)
                half = ((p * u * u).sum(-1) - (p * u).sum(-1) ** 2).mean() / 2
                print(half, (p * np.log(p / q)).sum(-1).mean())
        """

    private func numbers(_ text: String) -> [[Double]] {
        text.split(separator: "\n").map { $0.split(separator: " ").compactMap { Double($0) } }
    }

    @Test(
        "the divergences are those of forward passes in numpy with one matrix rounded, and nearly KL",
        .enabled(if: Python.isPresent, "PVIT_TEST_PYTHON is not set"))
    func numpy() throws {
        let model = SmallModel(seed: 31)
        let folder = try TemporaryFolder()
        let file = try folder.write("weights", model.tensors.flatMap(\.elements).withUnsafeBytes(Array.init))
        let ids = tokens.ids.map(String.init).joined(separator: ",")
        let importance = numbers(try Python.run(Self.script, file.string, ids)).map { $0.map { Float($0) } }
        #expect(importance.count == model.matrices.count)

        let rounding = MatrixRounding(pool: ThreadPool(threadCount: 1), kernels: pvit_kernels_best().pointee)
        var importanceOf = Dictionary(
            uniqueKeysWithValues: zip(model.matrices.map(\.name), importance.map { $0 as [Float]? }))
        importanceOf[Self.output] = .some(nil)
        let rounded = try model.tensors.flatMap { tensor -> [Float] in
            guard let importance = importanceOf[tensor.name] else { return tensor.elements }
            let matrix = try DenseMatrix<Float>(rows: tensor.rows, columns: tensor.elements.count / tensor.rows)
            matrix.elements.update(from: tensor.elements, count: tensor.elements.count)
            return try rounding.q4(matrix, importance: importance).numbers
        }
        let roundedFile = try folder.write("rounded", rounded.withUnsafeBytes(Array.init))
        let expected = numbers(try Python.run(Self.script, file.string, ids, roundedFile.string))
        let names = [Self.output] + model.matrices.map(\.name)
        let divergences = try divergences(model, of: names)
        #expect(divergences.count == names.count && expected.count == names.count)
        for (name, numbers) in zip(names, expected) where name != Self.output {
            let ours = try #require(divergences[name])
            #expect(abs(ours - numbers[0]) <= 0.01 * numbers[0], "\(name)")
            #expect(abs(ours - numbers[1]) <= 0.2 * numbers[1], "\(name)")
        }
        // The embeddings of the sample's tokens and the output matrix are rounded with scales of their own.
        let ours = try #require(divergences[Self.output])
        #expect(abs(ours - expected[0][0]) <= 0.1 * expected[0][0])
    }

    @Test("each matrix is measured alone, with any number of threads")
    func independence() throws {
        let model = SmallModel(seed: 32)
        let names = [Self.output] + model.matrices.map(\.name)
        let all = try divergences(model, of: names)
        #expect(try divergences(model, of: names, threads: 1) == all)
        for name in [names[0], names[3], names[11]] {
            #expect(try divergences(model, of: [name]) == all.filter { $0.key == name })
        }
        #expect(try divergences(model, of: ["model.norm.weight", "other"]).isEmpty)
    }

    @Test("a damaged weight is an error that names its matrix")
    func damaged() throws {
        let model = SmallModel(seed: 33)
        let reader: WeightReader = { name, rows in
            var numbers = try model.reader(name, rows)
            if name == "model.layers.1.mlp.up_proj.weight" { numbers[0] = .nan }
            return numbers
        }
        let measurement = try SensitivityMeasurement(
            SmallModel.configuration, tokens: tokens, outputName: Self.output, pool: ThreadPool(threadCount: 1),
            reader: reader)
        let error = #expect(throws: PVITError.self) {
            try measurement.divergences(of: Set(model.matrices.map(\.name)))
        }
        #expect(error?.code == .weightNotFinite && error?.tensor == "model.layers.1.mlp.up_proj.weight")
    }
}
