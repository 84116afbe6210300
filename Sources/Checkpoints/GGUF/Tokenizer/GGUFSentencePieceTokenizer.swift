import Storage
import Tokenization

/// A `llama` tokenizer of a GGUF file, SentencePiece BPE, as a tokenizer.model that gives the same ids.
package struct GGUFSentencePieceTokenizer {
    /// The content of tokenizer.model.
    let modelProto: [UInt8]
    /// The first members of tokenizer_config.json.
    let config: JSONObject
    /// The key that exports use for a tokenizer that is not in its legacy mode.
    package static let legacyKey = "pvit.tokenizer.legacy"

    init(_ tokenizer: GGUFTokenizer, _ file: GGUFFile) throws {
        guard let scores = try file.numbers("tokenizer.ggml.scores"), scores.count == tokenizer.tokens.count else {
            throw GGUFTokenizer.failure(file, "the file does not have a score for each token")
        }
        // The pieces of the model are followed by added tokens and by tokens that only pad the table to the size of the
        // embeddings.
        let pieceCount = (tokenizer.kinds.lastIndex { $0 == .normal || $0 == .byte } ?? -1) + 1
        let used = (tokenizer.kinds.lastIndex { $0 != .unused } ?? -1) + 1
        guard pieceCount > 0 else { throw GGUFTokenizer.failure(file, "there is no token of type NORMAL") }
        let roles = try tokenizer.roles(fallbacks: ["bos": 1, "eos": 2, "unknown": 0])
        let prefix = try file.bool("tokenizer.ggml.add_space_prefix") ?? true
        let removesSpaces = try file.bool("tokenizer.ggml.remove_extra_whitespaces") ?? false

        var proto = ProtobufWriter()
        for id in 0..<pieceCount {
            var piece = ProtobufWriter()
            piece.bytes(1, tokenizer.tokens[id].utf8)
            piece.fixed32(2, Float(scores[id]).bitPattern)
            if tokenizer.kinds[id] != .normal { piece.integer(3, tokenizer.kinds[id].rawValue) }
            proto.bytes(1, piece.output)
        }
        var trainer = ProtobufWriter()
        trainer.integer(3, 2)  // model_type: BPE
        trainer.integer(4, pieceCount)
        trainer.integer(35, tokenizer.kinds.contains(.byte) ? 1 : 0)  // byte_fallback
        let ids = [(40, "unknown", 0), (41, "bos", 1), (42, "eos", 2), (43, "padding", -1)]
        for (field, name, standard) in ids {
            let id = try tokenizer.id(name) ?? standard
            trainer.integer(field, id < pieceCount ? id : -1)
        }
        trainer.bytes(44, " \u{2047} ".utf8)  // unk_surface
        for (field, role) in [(45, "unk_token"), (46, "bos_token"), (47, "eos_token")] {
            if let text = roles[role]?.string { trainer.bytes(field, text.utf8) }
        }
        proto.bytes(2, trainer.output)
        var normalizer = ProtobufWriter()
        normalizer.bytes(1, "identity".utf8)
        normalizer.bytes(2, [])  // precompiled_charsmap
        normalizer.integer(3, prefix ? 1 : 0)  // add_dummy_prefix
        normalizer.integer(4, removesSpaces ? 1 : 0)  // remove_extra_whitespaces
        normalizer.integer(5, 1)  // escape_whitespaces
        proto.bytes(3, normalizer.output)
        modelProto = proto.output

        var config: JSONObject = ["tokenizer_class": "LlamaTokenizer"]
        // llama.cpp puts a space behind special tokens, as the legacy mode does; GGUF has no key for the other one.
        config["legacy"] = .bool(try file.bool(Self.legacyKey) ?? true)
        if !prefix && !removesSpaces { config["add_prefix_space"] = false }
        config["add_bos_token"] = .bool(try file.bool("tokenizer.ggml.add_bos_token") ?? true)
        config["add_eos_token"] = .bool(try file.bool("tokenizer.ggml.add_eos_token") ?? false)
        for role in GGUFTokenizer.roles.prefix(3) { config["\(role.transformers)_token"] = .null }
        for role in roles.members { config[role.key] = role.value }
        var added = JSONObject()
        for id in 0..<used where id >= pieceCount || [.control, .unknown].contains(tokenizer.kinds[id]) {
            added["\(id)"] = .object(tokenizer.addedToken(id))
        }
        config["added_tokens_decoder"] = .object(added)
        self.config = config
    }
}
