import CheckpointTestSupport
import Foundation
import SystemPackage
import TestSupport
import Testing

@Suite("inspect --compare", .slow, .enabled(if: GeneratedFixtures.arePresent))
struct ComparisonTests {
    private struct Comparison: Decodable {
        struct Difference: Decodable, Equatable {
            let name: String
            let a: String?
            let b: String?
        }
        struct Row: Decodable {
            let encoding: String
        }
        struct Pair: Decodable {
            let name: String
            let a: Row?
            let b: Row?
        }
        struct Tensors: Decodable {
            let in_both: Int
            let differing: Int
            let other_types: Int
            let other_shapes: Int
            let only_in_a: Int
            let only_in_b: Int
            let list: [Pair]
        }
        let same_weights: Bool?
        let differences: [Difference]
        let tensors: Tensors
    }

    private func compare(_ a: String, _ b: String, _ options: String...) throws -> Comparison {
        try CommandLineRunner.decode(from: ["inspect", a, "--compare", b, "--json"] + options)
    }

    @Test("two quantizations differ in the types of the linear matrices, and in the recipe's type")
    func types() throws {
        let (q4, q8) = (try Models.path("gqa-q4.pvq"), try Models.path("gqa-q8.pvq"))
        let comparison = try compare(q4, q8, "--tensors")
        #expect(comparison.same_weights == false)
        #expect(
            comparison.differences.filter { $0.name.hasPrefix("recipe") } == [
                Comparison.Difference(name: "recipe type", a: "q4", b: "q8")
            ])
        let other = comparison.tensors.list.filter { $0.a?.encoding != $0.b?.encoding }
        #expect(other.count == comparison.tensors.other_types && !other.isEmpty && other.count % 7 == 0)
        #expect(other.allSatisfy { $0.name.hasSuffix("_proj.weight") && $0.a?.encoding == "q4" })
        #expect(comparison.tensors.only_in_a == 0 && comparison.tensors.other_shapes == 0)
        let text = try CommandLineRunner.run(["inspect", q4, "--compare", q8]).output
        for words in ["recipe type", "attention", "The weights differ", "with other types", "+"] {
            #expect(text.contains(words), "\(words)\n\(text)")
        }
        #expect(!text.contains("recipe source"), "a line that is the same in both")
        #expect(text.split(separator: "\n").count { $0.hasPrefix("model.layers.") } == 10)
        let all = try CommandLineRunner.run(["inspect", q4, "--compare", q8, "--tensors"]).output
        #expect(
            all.split(separator: "\n").count { $0.hasPrefix("model.layers.") } == comparison.tensors.list.count)
    }

    @Test("a file and its copy have the same weights, whatever they are compressed with")
    func same() throws {
        let folder = try TemporaryFolder()
        let q4 = try Models.path("gqa-q4.pvq")
        let copy = folder.path.appending("copy.pvq").string
        let made = try CommandLineRunner.run([
            "quantize", GeneratedFixtures.path("mini-llama-gqa").string, "--profile", "small", "--output", copy,
        ])
        #expect(made.status == 0, "\(made.errors)")
        for other in [q4, copy] {
            let comparison = try compare(q4, other)
            #expect(comparison.same_weights == true && comparison.tensors.differing == 0)
        }
        #expect(try compare(q4, copy).differences == [.init(name: "recipe profile", a: "fast", b: "small")])
    }

    @Test("of a container and a checkpoint, it is not known whether the weights are the same")
    func unknown() throws {
        let folder = GeneratedFixtures.path("mini-llama-gqa").string
        let comparison = try compare(try Models.path("gqa-f32.pvq"), folder)
        #expect(comparison.same_weights == nil && comparison.tensors.only_in_a == 0)
        #expect(try compare(folder, folder + "/").same_weights == true)
    }

    @Test("other models have other shapes, and tensors that only one has")
    func others() throws {
        let comparison = try compare(try Models.path("gqa-q4.pvq"), try Models.path("pvit-f32.pvq"))
        #expect(comparison.same_weights == false)
        #expect(comparison.tensors.other_shapes > 0 && comparison.tensors.only_in_b > 0)
        let delta = GeneratedFixtures.path("mini-pvit-delta-st").string
        #expect(try compare(delta, GeneratedFixtures.path("mini-clip").string).tensors.in_both == 0)
    }

    @Test("the second model is opened before anything is written")
    func absent() throws {
        let folder = try TemporaryFolder()
        let report = folder.path.appending("report.html").string
        let outcome = try CommandLineRunner.run([
            "inspect", try Models.path("gqa-q4.pvq"), "--compare", folder.path.appending("no").string, "--report",
            report,
        ])
        #expect(outcome.isOneLineError(66), "\(outcome.errors)")
        #expect(try folder.entries.isEmpty)
    }
}
