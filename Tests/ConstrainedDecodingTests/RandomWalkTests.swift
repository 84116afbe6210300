import ConstrainedDecoding
import Foundation
import Storage
import TestSupport
import Testing

@Suite("Random tokens that a constraint allows")
struct RandomWalkTests {
    /// Texts under each schema, for Python: `[[schema, text…], …]`.
    private static func texts(_ vocabulary: Vocabulary, count: Int) throws -> [JSONValue] {
        try SchemaCase.all.enumerated().map { number, item in
            let constraint = try JSONConstraint(schema: item.schema)
            var walk = RandomWalk(vocabulary: vocabulary, random: RepeatableRandom(seed: UInt64(number)))
            let texts = try (0..<count).map { round in
                let text = try #require(try walk.text(under: constraint, freeTokens: round * 4))
                // Throws for what is not UTF-8, no JSON, or has a key twice.
                _ = try JSONValue(parsing: text)
                return JSONValue.string(String(decoding: text, as: UTF8.self))
            }
            return .array([item.schema] + texts)
        }
    }

    @Test("give JSON that satisfies the schema, in the eyes of Python's jsonschema")
    func smallVocabulary() throws {
        let texts = try Self.texts(.small, count: 20)
        guard Python.isPresent else { return }
        let failures = try PythonSchemas.failures(texts)
        #expect(failures.isEmpty, "\(failures.listed(3))")
    }

    @Test("of LLaMA's vocabulary give such JSON, too", .slow)
    func llamaVocabulary() throws {
        let texts = try Self.texts(Vocabulary.llama(), count: 8)
        guard Python.isPresent else { return }
        let failures = try PythonSchemas.failures(texts)
        #expect(failures.isEmpty, "\(failures.listed(3))")
    }

    @Test("give such JSON under random schemas", .slow)
    func randomSchemas() throws {
        let seed = ProcessInfo.processInfo.environment["PVIT_FUZZ_SEED"].flatMap { UInt64($0) } ?? 5
        var generator = RandomSchema(random: RepeatableRandom(seed: seed))
        var walk = RandomWalk(vocabulary: .small, random: RepeatableRandom(seed: seed + 1))
        var texts: [JSONValue] = []
        for _ in 0..<300 {
            let schema = generator.document()
            let constraint: JSONConstraint
            do {
                constraint = try JSONConstraint(schema: schema)
            } catch let error as PVITError {
                #expect(error.code.name.hasPrefix("schema."))
                continue
            }
            let found: [JSONValue] = try (0..<4).compactMap { round in
                guard let text = try walk.text(under: constraint, freeTokens: round * 5) else { return nil }
                _ = try JSONValue(parsing: text)
                return JSONValue.string(String(decoding: text, as: UTF8.self))
            }
            texts.append(.array([schema] + found))
        }
        #expect(texts.count > 100)
        guard Python.isPresent else { return }
        let failures = try PythonSchemas.failures(texts)
        #expect(failures.isEmpty, "\(failures.listed(3))")
    }
}
