import Storage
import Tokenization

/// Converts a SentencePiece BPE tokenizer.model and its added tokens to the tables of a GGUF file (`llama`).
enum GGUFSentencePieceTable {
    /// The score of added tokens, as in llama.cpp's converter.
    private static let addedScore: Float = -1000

    /// - Parameters:
    ///   - model: The content of tokenizer.model.
    ///   - files: The files beside it.
    ///   - limit: The number of rows of the embeddings.
    static func make(
        _ model: [UInt8], _ files: TokenizerFiles, limit: Int
    ) throws -> GGUFTokenTable {
        var table = GGUFTokenTable(
            limit: limit, hasScores: true,
            head: [("tokenizer.ggml.model", .string("llama")), ("tokenizer.ggml.pre", .string("default"))])
        table.addsBeginning = true
        var addsPrefix = true
        var isBPE = false
        var pieceCount = 0
        table.defaultRoles = ["unk": 0, "bos": 1, "eos": 2]
        var reader = ProtobufReader(model)
        while let (field, content) = try reader.next() {
            guard case .bytes(let range) = content else { continue }
            let message = ProtobufReader(model, range)
            switch field {
            case 1:
                try table.put(try piece(message), at: pieceCount)
                pieceCount += 1
            case 2: isBPE = try readTrainer(message, &table.defaultRoles)
            case 3: addsPrefix = try readNormalizer(message)
            default: break
            }
        }
        guard isBPE else { throw failure("it is not a BPE model") }
        try addTokens(files, to: &table)
        addsPrefix = addsPrefix && files.config?["add_prefix_space"]?.bool != false
        table.tail = [("tokenizer.ggml.add_space_prefix", .bool(addsPrefix))]
        if addsPrefix, files.config?["legacy"]?.bool == false {
            table.tail.append((GGUFSentencePieceTokenizer.legacyKey, .bool(false)))
            table.settingNotes = [
                "\"legacy\": false of the tokenizer: llama.cpp puts a space behind special tokens, where it puts none"
            ]
        }
        return table
    }

    private static func piece(_ message: ProtobufReader) throws -> GGUFTokenTable.Token {
        var reader = message
        var token = GGUFTokenTable.Token(text: "", score: 0, kind: .normal)
        while let (field, content) = try reader.next() {
            switch (field, content) {
            case (1, .bytes(let range)):
                guard let text = String(validating: message.bytes[range], as: UTF8.self) else {
                    throw failure("a piece is not UTF-8")
                }
                token.text = text
            case (2, .fixed32(let bits)): token.score = Float(bitPattern: bits)
            case (3, .integer(let number)):
                guard let kind = Int(exactly: number).flatMap(PieceKind.init) else {
                    throw failure("a piece has the unknown type \(number)")
                }
                token.kind = kind
            default: break
            }
        }
        return token
    }

    /// Reads TrainerSpec; returns whether the model is BPE.
    private static func readTrainer(_ message: ProtobufReader, _ roles: inout [String: Int]) throws -> Bool {
        var reader = message
        var isBPE = false
        let fields: [UInt64: String] = [40: "unk", 41: "bos", 42: "eos", 43: "pad"]
        while let (field, content) = try reader.next() {
            guard case .integer(let number) = content else { continue }
            if field == 3 { isBPE = number == 2 }
            if let role = fields[field] { roles[role] = Int(exactly: Int32(truncatingIfNeeded: number)) }
        }
        return isBPE
    }

    /// Reads NormalizerSpec; returns whether a space is put in front of a text.
    private static func readNormalizer(_ message: ProtobufReader) throws -> Bool {
        var reader = message
        var addsPrefix = true
        while let (field, content) = try reader.next() {
            switch (field, content) {
            case (2, .bytes(let range)):
                guard range.isEmpty else { throw failure("it normalizes texts by a table") }
            case (3, .integer(let flag)): addsPrefix = flag != 0
            default: break
            }
        }
        return addsPrefix
    }

    /// Tokens of added_tokens.json and of `added_tokens_decoder`.
    private static func addTokens(_ files: TokenizerFiles, to table: inout GGUFTokenTable) throws {
        let special = try files.specialTokenTexts
        func add(_ content: String, _ id: Int, isSpecial: Bool) throws {
            // Pieces of the model that are listed again keep their kind.
            if table.tokens.indices.contains(id), table.tokens[id].text.utf8.elementsEqual(content.utf8),
                ![.normal, .userDefined].contains(table.tokens[id].kind)
            {
                return
            }
            let kind: PieceKind =
                isSpecial || special.contains(Array(content.utf8)) ? .control : .userDefined
            try table.put(GGUFTokenTable.Token(text: content, score: addedScore, kind: kind), at: id)
        }
        for member in files.addedTokens?.members ?? [] where !member.key.isEmpty {
            try add(member.key, id(member.value, member.key), isSpecial: false)
        }
        for member in files.config?["added_tokens_decoder"]?.object?.members ?? [] {
            guard let content = member.value["content"]?.string else { throw failure("an added token has no content") }
            guard !content.isEmpty else { continue }
            let id = try id(Int(member.key).map { .integer($0) }, content)
            try add(content, id, isSpecial: member.value["special"]?.bool ?? false)
        }
    }

    private static func id(_ value: JSONValue?, _ token: String) throws -> Int {
        guard let id = value?.integer, id >= 0 else {
            throw failure("the added token \"\(token)\" has no id")
        }
        return id
    }

    private static func failure(_ what: String) -> PVITError {
        PVITError(.exportTokenizer, "tokenizer.model cannot be written as GGUF metadata: \(what)")
    }
}
