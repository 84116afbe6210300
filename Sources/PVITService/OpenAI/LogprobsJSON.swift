import LanguageModel
import Storage
import Tensors
import Tokenization

/// Log probabilities as OpenAI's API writes them.
struct LogprobsJSON: Sendable {
    let tokenizer: Tokenizer

    /// For chat completions: each token with its bytes and the most likely ones in its place.
    func chat(_ list: [TokenLogprobs]) -> JSONValue {
        [
            "content": .array(
                list.map { item in
                    var object = entry(item.drawn)
                    object["top_logprobs"] = .array(item.top.map { .object(entry($0)) })
                    return .object(object)
                }),
            "refusal": .null,
        ]
    }

    /// For text completions: parallel lists.
    ///
    /// - Parameter offset: The number of characters of the text before the first token.
    func text(_ list: [TokenLogprobs], offset: Int) -> JSONValue {
        var offsets: [JSONValue] = []
        var position = offset
        for item in list {
            offsets.append(.integer(position))
            position += text(of: item.drawn.token).count
        }
        return [
            "tokens": .array(list.map { .string(text(of: $0.drawn.token)) }),
            "token_logprobs": .array(list.map { number($0.drawn.logprob) }),
            "top_logprobs": .array(
                list.map { item in
                    var object = JSONObject()
                    for entry in item.top { object[text(of: entry.token)] = number(entry.logprob) }
                    return .object(object)
                }),
            "text_offset": .array(offsets),
        ]
    }

    private func entry(_ entry: TokenLogprobs.Entry) -> JSONObject {
        let bytes = tokenizer.bytes(of: entry.token) ?? []
        return [
            "token": .string(String(decoding: bytes, as: UTF8.self)), "logprob": number(entry.logprob),
            "bytes": .array(bytes.map { .integer(Int($0)) }),
        ]
    }

    private func text(of token: TokenID) -> String { String(decoding: tokenizer.bytes(of: token) ?? [], as: UTF8.self) }

    /// JSON has no infinity. OpenAI's API writes -9999 for a token that is practically impossible.
    private func number(_ logprob: Double) -> JSONValue { .number(max(logprob, -9999)) }
}
