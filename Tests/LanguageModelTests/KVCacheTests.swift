import CheckpointTestSupport
import Storage
import Tensors
import Testing
import Tokenization

@testable import LanguageModel

@Suite("The key/value cache", .needsFixtures)
struct KVCacheTests {
    private func logits(_ model: Llama, _ tokens: some Sequence<TokenID>, _ cache: inout KVCache) throws -> [Float] {
        var result: [Float] = []
        try model.forward(.tokens(Array(tokens)), cache: &cache) { _, logits in result = logits.array }
        return result
    }

    @Test("reading a text in parts gives what reading it at once gives")
    func parts() throws {
        let golden = try GoldenText("pvit-text")
        let model = try TestModel.plain("mini-pvit").llama()
        var whole = try KVCache(for: model.configuration, storage: .f32, capacity: 64)
        let expected = try logits(model, golden.tokens, &whole)
        var parts = try KVCache(for: model.configuration, storage: .f32, capacity: 64)
        for range in [0..<1, 1..<17, 17..<18, 18..<40] { _ = try logits(model, golden.tokens[range], &parts) }
        #expect(try logits(model, golden.tokens[40...], &parts) == expected)
        #expect(parts.count == golden.tokens.count)
    }

    @Test("after forgetting the end of a text another one continues there")
    func truncation() throws {
        let golden = try GoldenText("pvit-text")
        let model = try TestModel.plain("mini-pvit").llama()
        var cache = try KVCache(for: model.configuration, storage: .f32, capacity: 64)
        let expected = try logits(model, golden.tokens, &cache)
        cache.truncate(to: 30)
        _ = try logits(model, [5, 6, 7, 8, 9], &cache)
        cache.truncate(to: 30)
        #expect(try logits(model, golden.tokens[30...], &cache) == expected)
        cache.truncate(to: 1000)
        #expect(cache.count == golden.tokens.count)
        cache.truncate(to: -1)
        #expect(cache.count == 0)
    }

    @Test("memory that is given back was not of the positions that are filled")
    func released() throws {
        let golden = try GoldenText("pvit-text")
        let model = try TestModel.plain("mini-pvit").llama()
        var cache = try KVCache(for: model.configuration, storage: .f32, capacity: 2048)
        let expected = try logits(model, golden.tokens, &cache)
        for count in [30, 16, 1, 0] {
            cache.truncate(to: count)
            cache.releaseUnfilled()
            #expect(largestDistance(try logits(model, golden.tokens[count...], &cache), expected) < 1e-4)
        }
    }

    @Test(
        "narrower numbers move the logits a little", arguments: [(KVCache.Storage.f16, Float(0.02)), (.q8, 0.4)])
    func narrow(_ storage: KVCache.Storage, _ tolerance: Float) throws {
        let golden = try GoldenText("base-text")
        let model = try TestModel.plain("mini-llama-base-st").llama()
        var exact = try KVCache(for: model.configuration, storage: .f32, capacity: 64)
        var narrow = try KVCache(for: model.configuration, storage: storage, capacity: 64)
        let distance = largestDistance(
            try logits(model, golden.tokens, &exact), try logits(model, golden.tokens, &narrow))
        #expect(distance > 0)
        #expect(distance < tolerance)
        #expect(narrow.bytesPerPosition < exact.bytesPerPosition)
    }

    @Test("a text that does not fit is an error that says so, and the cache is as before")
    func overflow() throws {
        let model = try TestModel.plain("mini-llama-gqa").llama()
        var cache = try KVCache(for: model.configuration, capacity: 8)
        try model.forward(.tokens([1, 2, 3, 4, 5]), cache: &cache)
        let error = #expect(throws: PVITError.self) { try model.forward(.tokens([1, 2, 3, 4]), cache: &cache) }
        #expect(error?.code == .contextFull)
        #expect(cache.count == 5)
        try model.forward(.tokens([1, 2, 3]), cache: &cache)
        #expect(cache.count == 8)
    }

    @Test("impossible caches are refused")
    func impossible() throws {
        let configuration = try TestModel.plain("mini-llama-gqa").configuration
        for capacity in [0, -1, .max, 1 << 31] {
            #expect(throws: PVITError.self) { _ = try KVCache(for: configuration, capacity: capacity) }
        }
        // Heads of 16 numbers are no whole block of 32.
        #expect(throws: PVITError.self) { _ = try KVCache(for: configuration, storage: .q8, capacity: 8) }
    }

    @Test("tokens outside the vocabulary and empty texts are refused")
    func badTokens() throws {
        let model = try TestModel.plain("mini-llama-gqa").llama()
        var cache = try KVCache(for: model.configuration, capacity: 8)
        for tokens in [[], [32_000], [1, -1]] as [[TokenID]] {
            let error = #expect(throws: PVITError.self) { try model.forward(.tokens(tokens), cache: &cache) }
            #expect(error?.code == .modelToken)
        }
    }
}
