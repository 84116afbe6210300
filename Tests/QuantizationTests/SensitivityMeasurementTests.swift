import Architectures
import CKernels
import CheckpointTestSupport
import LinearAlgebra
import Parallelism
import Storage
import Tensors
import TestSupport
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

    /// Prints the mean squares of the inputs of each matrix, or, given rounded matrices, the divergence that each of
    /// them causes: half the variance of the change of the logits, and KL.
    private static let script =
        SmallModel.numpyForwardPass + """
            ids, weights = [int(t) for t in sys.argv[2].split(",")], read(sys.argv[1])
            if len(sys.argv) == 3:
                logits(weights, ids, lambda name, x: print(*np.mean(x.reshape(64, -1) ** 2, 0)))
            else:
                rounded, y = read(sys.argv[3]), logits(weights, ids)
                p = softmax(y)
                for name, *shape in shapes:
                    if len(shape) < 2: continue
                    z = logits({**weights, name: rounded[name]}, ids)
                    u, q = z - y, softmax(z)
                    half = ((p * u * u).sum(-1) - (p * u).sum(-1) ** 2).mean() / 2
                    print(half, (p * np.log(p / q)).sum(-1).mean())
            """

    @Test("the divergences are those of forward passes in numpy with one matrix rounded, and nearly KL", .needsPython)
    func numpy() throws {
        let model = SmallModel(seed: 31)
        let folder = try TemporaryFolder()
        let file = try model.write(to: folder)
        let ids = tokens.ids.map(String.init).joined(separator: ",")
        let importance = printedNumbers(try Python.run(Self.script, file.string, ids)).map { $0.map { Float($0) } }
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
        let expected = printedNumbers(try Python.run(Self.script, file.string, ids, roundedFile.string))
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
