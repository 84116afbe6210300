import Foundation
import Storage
import Tensors
import TestSupport
import Testing
import Tokenization

/// The files that tests read.
enum Fixtures {
    /// A file of the folder Fixtures.
    static func bytes(_ name: String) throws -> [UInt8] {
        let url = Bundle.module.resourceURL?.appendingPathComponent("Fixtures/\(name)")
        return [UInt8](try Data(contentsOf: try #require(url)))
    }

    /// A JSON file of the folder Fixtures.
    static func json(_ name: String) throws -> JSONValue { try JSONValue(parsing: bytes(name)) }

    /// A JSON file that tests of other modules read, too.
    static func sharedJSON(_ name: String) throws -> JSONValue {
        try JSONValue(parsing: [UInt8](Data(contentsOf: URL(fileURLWithPath: SharedFixtures.path(name)))))
    }

    /// LLaMA's tokenizer as a plain checkpoint has it.
    static func llama() throws -> Tokenizer {
        try Tokenizer(files: TokenizerFiles(sentencePieceModel: bytes("tokenizer.model")))
    }

    /// LLaMA's tokenizer with the five tokens of PVIT.
    static func pvit() throws -> Tokenizer { try Tokenizer(files: pvitFiles()) }

    /// The files of `pvit`.
    static func pvitFiles() throws -> TokenizerFiles {
        TokenizerFiles(
            sentencePieceModel: try bytes("tokenizer.model"), config: try json("pvit/tokenizer_config.json").object,
            specialTokensMap: try json("pvit/special_tokens_map.json").object,
            addedTokens: try json("pvit/added_tokens.json").object)
    }
}

extension JSONValue {
    /// The ids in a list of numbers.
    var ids: [TokenID] { (array ?? []).compactMap { $0.integer.flatMap { TokenID(exactly: $0) } } }
}

extension Tokenizer {
    /// Decodes by streaming and checks that each part is whole characters.
    func streamed(_ ids: [TokenID], skipSpecial: Bool) -> String {
        var decoder = makeStreamDecoder(skipSpecial: skipSpecial)
        return ids.reduce("") { $0 + decoder.append($1) } + decoder.finish()
    }
}
