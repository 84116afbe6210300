import Checkpoints
import CheckpointTestSupport
import Storage
import SystemPackage
import Tensors
import Testing
import TestSupport

@Suite("Damaged GGUF files", .slow)
struct GGUFFuzzTests {
    private static let numbers: [UInt64] = [
        0, 1, 2, 31, 33, 255, 65536, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 1 << 32, 1 << 59, 1 << 60, 1 << 62,
        (1 << 63) - 1, 1 << 63, .max - 31, .max,
    ]
    private static let tinyBytePair: [UInt8] = {
        var file = tinyLlamaGGUF(
            type: .q41, isTied: true,
            leavingOut: ["tokenizer.ggml.model", "tokenizer.ggml.tokens", "tokenizer.ggml.token_type"],
            more: [
                GGUFBytes.pair("tokenizer.ggml.model", "gpt2"), GGUFBytes.pair("tokenizer.ggml.pre", "llama-bpe"),
                GGUFBytes.pair("tokenizer.ggml.tokens", ["<s>", "a", "b", "ab", "Ġ", "x", "y", "z"]),
                GGUFBytes.pair("tokenizer.ggml.merges", ["a b"]), GGUFBytes.pair("tokenizer.chat_template", "{{ a }}"),
                GGUFBytes.pair("tokenizer.ggml.token_type", [3, 1, 1, 1, 1, 1, 4, 5] as [Int32]),
                GGUFBytes.pair("tokenizer.ggml.bos_token_id", UInt32(0)),
            ])
        file.add("rope_freqs.weight", .f32, [8], (0..<8).flatMap { _ in littleEndianBytes(1) })
        return file.bytes
    }()
    private static let seeds = [
        tinyLlamaGGUF().bytes, tinyLlamaGGUF(type: .q80).bytes, tinyLlamaGGUF(type: .iq4NL, isTied: true).bytes,
        tinyBytePair,
    ]

    /// Puts an interesting number of 4 or 8 bytes somewhere into the header.
    private func putNumber(_ bytes: inout [UInt8], _ random: inout RepeatableRandom) {
        let number = Self.numbers.randomElement(using: &random) ?? 0
        let value = Bool.random(using: &random) ? GGUFBytes.integer(number) : Array(GGUFBytes.integer(number).prefix(4))
        guard bytes.count > 8 else { return }
        let place = Int.random(in: 4..<min(bytes.count, 1400), using: &random)
        for (offset, byte) in value.enumerated() where place + offset < bytes.count { bytes[place + offset] = byte }
    }

    @Test("a damaged file is opened and read whole, or refused with an error about its data, never more")
    func files() throws {
        var budget = FuzzBudget(rounds: 2500)
        var mutator = Mutator(seed: budget.seed)
        let folder = try TemporaryFolder()
        var opened = 0
        while budget.next() {
            var bytes = Self.seeds.randomElement(using: &mutator.random) ?? []
            if Bool.random(using: &mutator.random) { bytes = mutator.mutate(bytes) }
            for _ in 0..<Int.random(in: 0...2, using: &mutator.random) { putNumber(&bytes, &mutator.random) }
            let path = try folder.write("model.gguf", bytes)
            do {
                let model = try CheckpointSource.open(path)
                let weights = model.weights
                for tensor in weights.tensors {
                    let content = try weights.bytes(ofRows: 0..<tensor.shape.rows, of: tensor)
                    #expect(content.count == tensor.byteCount)
                }
                opened += 1
            } catch let error as PVITError {
                #expect(
                    [.badData, .missingInput].contains(error.code.category), "seed \(budget.seed): \(error)")
            }
        }
        #expect(opened > 100, "most damage must lie where it does no harm")
    }
}
