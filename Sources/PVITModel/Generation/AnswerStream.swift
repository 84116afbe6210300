import Tensors
import Tokenization

/// Decodes the tokens of an answer to text as they arrive.
struct AnswerStream {
    /// The text emitted so far.
    private(set) var text = ""
    private var decoder: StreamDecoder
    private var matcher: StopMatcher
    private var waiting = ""
    private let ends: Set<TokenID>
    private let stops: Set<TokenID>

    /// - Parameter context: Tokens whose text the answer continues.
    init(_ tokenizer: Tokenizer, ends: Set<TokenID>, stops: [String], context: [TokenID]) {
        decoder = tokenizer.makeStreamDecoder(skipSpecial: true)
        decoder.skip(context)
        matcher = StopMatcher(stops)
        self.ends = ends
        // Special tokens are not decoded to text, so a stop text that is one is matched as a token.
        self.stops = Set(stops.compactMap { tokenizer.id(ofAddedToken: $0) })
    }

    /// Appends a token. Returns the reason if the answer ends with it.
    mutating func append(_ token: TokenID) -> StopReason? {
        if ends.contains(token) { return .eos }
        if stops.contains(token) { return .stop }
        waiting += matcher.append(decoder.append(token))
        return matcher.hasStopped ? .stop : nil
    }

    /// Emits the text that is final.
    mutating func flush(_ emit: (String) throws -> Void) throws {
        guard !waiting.isEmpty else { return }
        let chunk = waiting
        waiting = ""
        text += chunk
        try emit(chunk)
    }

    /// Emits the rest. No tokens may follow.
    mutating func finish(_ emit: (String) throws -> Void) throws {
        waiting += matcher.append(decoder.finish())
        waiting += matcher.finish()
        try flush(emit)
    }
}
