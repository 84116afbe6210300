import Tensors
import Tokenization

/// The text of an answer while its tokens come.
struct AnswerStream {
    /// What was given out.
    private(set) var text = ""
    private var decoder: StreamDecoder
    private var matcher: StopMatcher
    private var waiting = ""
    private let ends: Set<TokenID>
    private let stops: Set<TokenID>

    /// - Parameter context: Tokens whose text the answer goes on with.
    init(_ tokenizer: Tokenizer, ends: Set<TokenID>, stops: [String], context: [TokenID]) {
        decoder = tokenizer.makeStreamDecoder(skipSpecial: true)
        decoder.skip(context)
        matcher = StopMatcher(stops)
        self.ends = ends
        // A stop text that is a special token is never seen as text.
        self.stops = Set(stops.compactMap { tokenizer.id(ofAddedToken: $0) })
    }

    /// Takes a token; tells why the answer ends with it, if it does.
    mutating func append(_ token: TokenID) -> StopReason? {
        if ends.contains(token) { return .endOfText }
        if stops.contains(token) { return .stop }
        waiting += matcher.append(decoder.append(token))
        return matcher.hasStopped ? .stop : nil
    }

    /// Gives out what has become certain of the text.
    mutating func flush(_ emit: (String) throws -> Void) throws {
        guard !waiting.isEmpty else { return }
        let part = waiting
        waiting = ""
        text += part
        try emit(part)
    }

    /// Gives out the rest, as no more tokens come.
    mutating func finish(_ emit: (String) throws -> Void) throws {
        waiting += matcher.append(decoder.finish())
        waiting += matcher.finish()
        try flush(emit)
    }
}
