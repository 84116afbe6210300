/// The type of a token in a SentencePiece model (`ModelProto.SentencePiece.Type`), which GGUF files use for all
/// tokenizers (`llama_token_type` of llama.h).
package enum PieceKind: Int, Sendable {
    case normal = 1
    case unknown = 2
    case control = 3
    case userDefined = 4
    case unused = 5
    case byte = 6
}
