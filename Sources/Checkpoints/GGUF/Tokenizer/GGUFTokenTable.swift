import Storage
import Tokenization

/// The tokens of a GGUF file that is written, of either kind of tokenizer.
struct GGUFTokenTable {
    struct Token {
        var text: String
        var score: Float = 0
        var kind: PieceKind
    }

    /// The tokens; the index is the id.
    private(set) var tokens: [Token] = []
    /// The number of rows of the embeddings.
    let limit: Int
    /// Whether the scores matter.
    let hasScores: Bool
    /// The pairs before the tables.
    let head: [(key: String, value: GGUFValue)]
    /// The pairs after the tables.
    var tail: [(key: String, value: GGUFValue)] = []
    /// Ids of roles that are not in any file.
    var defaultRoles: [String: Int] = [:]
    /// Whether BOS is put in front of a text, unless tokenizer_config.json says otherwise.
    var addsBeginning = false
    /// Whether EOS is put after a text.
    var addsEnd = false
    /// Settings that the file cannot express, a sentence for each.
    var settingNotes: [String] = []
    /// Tokens without a row in the embeddings, by their ids.
    private var leftOut: [Int: String] = [:]

    /// Creates an empty table.
    init(limit: Int, hasScores: Bool, head: [(key: String, value: GGUFValue)]) {
        self.limit = limit
        self.hasScores = hasScores
        self.head = head
    }

    /// The properties of the tokenizer that the file cannot express, a sentence for each.
    var notes: [String] {
        guard !leftOut.isEmpty else { return settingNotes }
        let texts = leftOut.sorted { $0.key < $1.key }.map { "\"\($0.value)\" (\($0.key))" }
        let list = texts.prefix(8).joined(separator: ", ") + (texts.count > 8 ? " and \(texts.count - 8) more" : "")
        return ["tokens without a row in the embeddings: \(list)"] + settingNotes
    }

    /// Stores a token at its id. Gaps are filled with unused tokens. Added tokens without a row in the embeddings are
    /// left out, as in llama.cpp's converter.
    ///
    /// - Throws: `export.tokenizer` for another token without a row.
    mutating func put(_ token: Token, at id: Int) throws {
        guard id < limit else {
            guard token.kind == .normal else {
                leftOut[id] = token.text
                return
            }
            throw PVITError(
                .exportTokenizer, "the token \"\(token.text)\" has the id \(id), but the embeddings have \(limit) rows",
                remedy: "a GGUF file needs a row for each token; use the tokenizer that belongs to the model"
            )
        }
        while tokens.count <= id {
            tokens.append(Token(text: "[PAD\(tokens.count)]", score: -10000, kind: .unused))
        }
        tokens[id] = token
    }
}
