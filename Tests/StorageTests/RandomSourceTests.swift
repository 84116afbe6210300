import Storage
import Testing

@Suite("Random numbers")
struct RandomSourceTests {
    @Test("the numbers are those of the published SplitMix64")
    func published() {
        // The first outputs for seed 1234567, as the generator's authors and Rosetta Code list them.
        var random = RandomSource(seed: 1_234_567)
        let expected: [UInt64] = [
            6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
            4_593_380_528_125_082_431, 16_408_922_859_458_223_821,
        ]
        #expect(expected.map { _ in random.next() } == expected)
        #expect((0..<1000).allSatisfy { _ in (0..<1).contains(random.nextUnit()) })
    }
}
