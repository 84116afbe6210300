import ConstrainedDecoding
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
                let text = try walk.text(under: constraint, freeTokens: round * 4)
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
        guard PythonSchemas.interpreter != nil else { return }
        #expect(try PythonSchemas.run(PythonSchemas.validation, .array(texts)).array == [])
    }

    @Test("of LLaMA's vocabulary give such JSON, too", .slow)
    func llamaVocabulary() throws {
        let texts = try Self.texts(Vocabulary.llama(), count: 8)
        guard PythonSchemas.interpreter != nil else { return }
        #expect(try PythonSchemas.run(PythonSchemas.validation, .array(texts)).array == [])
    }
}
