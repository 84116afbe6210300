import Checkpoints
import CheckpointTestSupport
import Conversion
import Storage
import SystemPackage
import Tensors
import Testing

@Suite("Damaged configurations")
struct ConfigurationFuzzTests {
    @Test("a damaged config.json is accepted or refused with an error about the data")
    func plans() throws {
        var budget = FuzzBudget(rounds: 1500)
        var mutator = Mutator(seed: budget.seed)
        let original = try TinyModel().checkpoint()
        let text = JSONValue.object(TinyModel().configuration).encoded()
        while budget.next() {
            do {
                let checkpoint = try Checkpoint(
                    path: "memory", format: "memory", weights: original.weights,
                    sideFiles: SideFiles([SideFiles.config: mutator.mutate(text)]), sourceFiles: [])
                let plan = try QuantizePlan(for: checkpoint, options: QuantizeOptions(type: .plain(.f16)))
                #expect(plan.entries.count >= 20)
            } catch let error as PVITError {
                #expect(error.code.category == .badData, "seed \(budget.seed): \(error)")
            }
        }
    }
}
