import CheckpointTestSupport
import Container
import Foundation
import Storage
import SystemPackage
import Tensors
import TestSupport
import Testing

@Suite("The HTML report of inspect", .slow, .enabled(if: GeneratedFixtures.arePresent))
struct ReportTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// Writes the report of a model and checks its form.
    private func report(_ arguments: String...) throws -> Page {
        let path = folder.path.appending("report.html").string
        let outcome = try CommandLineRunner.run(["inspect"] + arguments + ["--report", path])
        #expect(outcome.status == 0 && !outcome.wasSignalled, "\(outcome.errors)")
        let page = try Page(contentsOf: path)
        page.check()
        return page
    }

    /// A container of matrices with 64 columns, in which all weights are zero.
    private func container(
        _ matrices: [(name: String, encoding: TensorEncoding, rows: Int, statistics: ErrorStatistics?)],
        metadata: JSONObject = [:]
    ) throws -> String {
        let path = folder.path.appending("model.pvq")
        var writer = try ContainerWriter(path: path)
        for matrix in matrices {
            let shape = try #require(Shape([matrix.rows, 64]))
            let layout = try TileLayout(encoding: matrix.encoding, shape: shape)
            try writer.beginTensor(TensorName(matrix.name), encoding: matrix.encoding, shape: shape)
            let content = [UInt8](repeating: 0, count: layout.byteCount)
            try writer.append(
                TileEncoder.encode(
                    content.span.bytes, encoding: matrix.encoding, scale: 1, compression: .none),
                content: content.span.bytes)
            try writer.endTensor(statistics: matrix.statistics)
        }
        _ = try writer.finish(metadata: metadata)
        return path.string
    }

    private func error(_ squaredError: Double) -> ErrorStatistics {
        ErrorStatistics(squaredError: squaredError, maximumError: 0.1, squaredSum: 100, count: 2048)
    }

    @Test("every kind of model gives a well-formed page that refers to nothing outside")
    func kinds() throws {
        for model in ["gqa-q4.pvq", "gqa-f32.pvq", "pvit-f32.pvq"] {
            let page = try report(try Models.path(model))
            #expect(
                page.headings.contains("Size by component") && page.headings.contains("Weights and the q4 codebook"))
            #expect(page.text.contains("pvit quantize --bits"), "it records no sensitivity")
        }
        for fixture in ["mini-llama-base-st", "mini-llama-meta", "mini-pvit-delta-st", "mini-clip"] {
            let page = try report(GeneratedFixtures.path(fixture).string)
            #expect(page.text.contains("Other matrices: weights relative to the largest"))
        }
        let gguf = folder.path.appending("model.gguf").string
        #expect(try CommandLineRunner.run(["export", Models.path("gqa-q4.pvq"), "--output", gguf]).status == 0)
        #expect(try report(gguf).headings.contains("Layers"))
    }

    @Test("the report of a packed delta shows the change by layer, and why there are no weights")
    func packedDelta() throws {
        let base = GeneratedFixtures.path("mini-llama-base-st").string
        let (target, delta) = (folder.path.appending("target").string, folder.path.appending("delta.pvq").string)
        let tuned = GeneratedFixtures.path("mini-pvit-delta-st").string
        #expect(try CommandLineRunner.run(["merge", base, tuned, "--output", target, "--quiet"]).status == 0)
        #expect(try CommandLineRunner.run(["delta", base, target, "--packed", "--output", delta]).status == 0)
        let page = try report(delta)
        #expect(page.headings.contains("Change by layer") && page.text.contains("layer 3"))
        #expect(page.text.contains("cannot be read without its base"))
    }

    @Test("with sensitivity, matrices are ranked by what q8 saves for each byte")
    func sensitivity() throws {
        let layer = "model.layers.0."
        let model = try container(
            [
                (layer + "mlp.up_proj.weight", .q4, 64, error(1)), (layer + "mlp.down_proj.weight", .q4, 32, error(2)),
                (layer + "self_attn.q_proj.weight", .q8, 32, error(0.01)),
                (layer + "self_attn.k_proj.weight", .q8, 64, error(0.02)),
            ],
            metadata: [
                "provenance.sensitivity": [
                    "tokens": 512,
                    "divergence": [
                        "model.layers.0.mlp.up_proj.weight": 0.3, "model.layers.0.mlp.down_proj.weight": 0.2,
                        "model.layers.0.self_attn.q_proj.weight": 0.05, "model.layers.0.self_attn.k_proj.weight": 0.05,
                    ],
                ]
            ])
        let page = try report(model)
        // 12,288 weights in 2304 + 1152 + 2176 + 4352 = 9984 bytes. `down` as q8 takes 1024 bytes more: 0.2 nats for
        // them are 195.3 per MB, and (9984 + 1024) × 8 / 12,288 = 7.167. `up` takes 2048 more: 146.5 per MB and 8.5.
        #expect(
            try page.table("matrices now in q4") == [
                ["1", layer + "mlp.down_proj.weight", "0.2000", "1.02 kB", "195.3", "7.167"],
                ["2", layer + "mlp.up_proj.weight", "0.3000", "2.05 kB", "146.5", "8.500"],
            ])
        #expect(
            try page.table("matrices now in q8").map { $0[1] } == [
                layer + "self_attn.k_proj.weight", layer + "self_attn.q_proj.weight",
            ])
        #expect(page.text.contains("Divergence as q4 alone, in nats") && !page.text.contains("quantize --bits"))
        let facts = try CommandLineRunner.run(["inspect", model]).output
        #expect(facts.contains("measured of 4 matrices on 512 tokens"))
    }

    @Test("impossible sensitivities and errors, and names with markup, neither end the program nor break the page")
    func hostile() throws {
        let name = "model.layers.0.<b a=\"1\">&amp;\u{FFFF}.weight"
        for sensitivity: JSONValue in [
            .null, 3, "text", [], [:], ["divergence": 1], ["tokens": "many", "divergence": []],
            [
                "tokens": -1,
                "divergence": [
                    "absent": 1, "model.layers.0.mlp.up_proj.weight": -1, "model.layers.0.mlp.down_proj.weight": 1e308,
                    "model.layers.99999999999.mlp.down_proj.weight": "1", "<i>": [],
                ],
            ],
        ] {
            let model = try container(
                [
                    (name, .q4, 32, error(1)), ("model.layers.0.mlp.up_proj.weight", .q4, 32, error(1e308)),
                    ("model.layers.0.mlp.down_proj.weight", .q4, 32, error(1e308)),
                    (
                        "model.layers.99999999999.mlp.down_proj.weight", .q8, 32,
                        ErrorStatistics(squaredError: 1, maximumError: 1, squaredSum: 0, count: .max)
                    ),
                    (
                        "model.layers.7.mlp.gate_proj.weight", .plain(.f32), 2,
                        ErrorStatistics(squaredError: 0, maximumError: 0, squaredSum: 0, count: .max)
                    ),
                ],
                metadata: ["provenance.sensitivity": sensitivity])
            let page = try report(model)
            #expect(page.text.contains("<b a=\"1\">&amp;\\u{ffff}.weight"))
            #expect(page.text.contains("pvit quantize --bits") && !page.source.contains("<b a"))
            #expect(try CommandLineRunner.run(["inspect", model, "--tensors", "--json"]).status == 0)
        }
    }

    @Test("without sensitivity, matrices are ranked by their share of the squared error")
    func squaredError() throws {
        let model = try container([
            ("model.layers.0.mlp.up_proj.weight", .q4, 64, error(3)),
            ("model.layers.0.mlp.down_proj.weight", .q4, 32, error(4)),
            ("model.layers.1.mlp.down_proj.weight", .q8, 32, error(1)),
        ])
        #expect(
            try report(model).table("matrices now in q4").map { Array($0[1...2]) } == [
                ["model.layers.0.mlp.down_proj.weight", "50.0%"], ["model.layers.0.mlp.up_proj.weight", "37.5%"],
            ])
    }

    @Test("a damaged tile is told on the page, and the rest is shown")
    func damage() throws {
        let path = folder.path.appending("damaged.pvq")
        var bytes = try Models.bytes("gqa-q4.pvq")
        bytes[4096 + 1000] ^= 1
        try Data(bytes).write(to: URL(fileURLWithPath: path.string))
        let page = try report(path.string)
        #expect(page.text.contains("is damaged") && page.headings.contains("Layers"))
    }

    @Test("two models stand beside each other on one page, with the same axes")
    func comparison() throws {
        let page = try report(try Models.path("gqa-q4.pvq"), "--compare", try Models.path("gqa-q8.pvq"))
        #expect(try page.table("stored size").contains { $0[1] == "q4" && $0[2] == "q8" })
        for title in ["A: Relative error", "B: Relative error", "A: q", "B: q"] {
            #expect(page.drawings.contains(title), "\(title)")
        }
    }
}
