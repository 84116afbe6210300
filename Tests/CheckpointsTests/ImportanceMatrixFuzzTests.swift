import CheckpointTestSupport
import Checkpoints
import Storage
import SystemPackage
import TestSupport
import Testing

@Suite("Damaged importance matrices", .slow)
struct ImportanceMatrixFuzzTests {
    private static let seeds: [[UInt8]] = {
        let entries: [ImportanceMatrixBytes.Entry] = [
            ("blk.0.attn_q.weight", [1, 2, 3, 4], 2), ("blk.0.ffn_down.weight", [5, 0, 7], 9),
            ("output.weight", [1], 1),
        ]
        let text = GGUFBytes.integer(Int32(7)) + GGUFBytes.integer(Int32(3)) + Array("abc".utf8)
        return [ImportanceMatrixBytes.gguf(entries), ImportanceMatrixBytes.data(entries) + text]
    }()

    @Test("a damaged file has finite numbers that are not negative, or is refused with an error about its data")
    func files() throws {
        var budget = FuzzBudget(rounds: 3000)
        var mutator = Mutator(seed: budget.seed)
        let folder = try TemporaryFolder()
        var opened = 0
        while budget.next() {
            let seed = Self.seeds.randomElement(using: &mutator.random) ?? []
            let path = try folder.write("imatrix", mutator.mutate(seed))
            do {
                let numbers = try ImportanceMatrix(path: path).columns.values.joined()
                #expect(numbers.allSatisfy { $0.isFinite && $0 >= 0 }, "seed \(budget.seed)")
                opened += 1
            } catch let error as PVITError {
                #expect(
                    [.badData, .missingInput].contains(error.code.category), "seed \(budget.seed): \(error)")
            }
        }
        #expect(opened > 100, "some damage must lie where it does no harm")
    }
}
