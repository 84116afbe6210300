/// How tokens are decoded.
enum TokenDecoding: Sendable {
    /// Tokens are bytes in the byte alphabet. Invalid UTF-8 is repaired by maximal subparts.
    case byteLevel
    /// The `decoder` of a tokenizer.json: one component or a sequence.
    case chain(DecoderChain)
    /// No decoder: the tokens are joined by spaces.
    case joinedBySpaces
}

/// A sequence of decoder components of a tokenizer.json that can be decoded token by token.
struct DecoderChain: Sendable, Equatable {
    /// One component.
    enum Step: Sendable, Equatable {
        /// `Replace`, in each token.
        case replace([UInt8], with: [UInt8])
        /// `Metaspace`: the replacement becomes a space; in the first token it is removed if there is a prefix.
        case metaspace([UInt8], hasPrefix: Bool)
        /// `Strip`: removes up to `count` of a character at the start of each token.
        case strip([UInt8], count: Int)
        /// `ByteFallback`: tokens such as `<0x0A>` become bytes.
        case byteFallback
        /// `Fuse`: all tokens become one.
        case fuse
    }

    /// The steps before `ByteFallback`.
    fileprivate var first: [Step] = []
    fileprivate var hasByteFallback = false
    /// The steps after `ByteFallback`.
    fileprivate var second: [Step] = []
    fileprivate var isFused = false
    /// The characters to remove at the start of the fused text, with the largest number of each.
    fileprivate var strips: [(character: [UInt8], count: Int)] = []

    /// The decoder in the tokenizer.json of a SentencePiece model without a dummy prefix.
    static let pieces: DecoderChain = {
        var chain = DecoderChain()
        chain.first = [.replace(SentencePieceNormalizer.spaceSymbol, with: [0x20])]
        chain.hasByteFallback = true
        chain.isFused = true
        return chain
    }()

    /// The same decoder for a tokenizer that puts no space before texts: it removes nothing at the start.
    var withoutPrefix: DecoderChain {
        func kept(_ steps: [Step]) -> [Step] {
            steps.map { step in
                guard case .metaspace(let replacement, _) = step else { return step }
                return .metaspace(replacement, hasPrefix: false)
            }
        }
        var chain = self
        chain.first = kept(first)
        chain.second = kept(second)
        chain.strips = []
        return chain
    }

    /// The bytes of a token inside a text.
    func bytes(of token: [UInt8]) -> [UInt8] {
        let token = DecoderChainStream.apply(first, to: token, isFirst: false)
        if hasByteFallback, let byte = ByteToken.byte(of: token) { return [byte] }
        return DecoderChainStream.apply(second, to: token, isFirst: false)
    }

    static func == (left: DecoderChain, right: DecoderChain) -> Bool {
        left.first == right.first && left.second == right.second && left.hasByteFallback == right.hasByteFallback
            && left.isFused == right.isFused && left.strips.elementsEqual(right.strips) { $0 == $1 }
    }

    /// The replacements in all tokens.
    var replacements: [TextNormalizer.Step] {
        (first + second).compactMap { step in
            guard case .replace(let pattern, let content) = step else { return nil }
            return .replace(pattern, with: content)
        }
    }

    /// Adds a component at the end. Returns false if it is not supported there.
    mutating func append(_ step: Step) -> Bool {
        switch step {
        case .fuse: isFused = true
        case .strip(let character, let count) where isFused: strips.append((character, count))
        case .byteFallback where !isFused && !hasByteFallback: hasByteFallback = true
        case .replace where !isFused, .metaspace where !isFused, .strip where !isFused:
            if hasByteFallback { second.append(step) } else { first.append(step) }
        default: return false
        }
        return true
    }
}

/// Decodes tokens by a `DecoderChain`, one at a time.
struct DecoderChainStream: Sendable {
    private let chain: DecoderChain
    /// The bytes of a run of tokens such as `<0x0A>`. The run is delayed until its end, because one invalid byte makes
    /// all of it invalid.
    private var bytes: [UInt8] = []
    private var firstCount = 0
    private var secondCount = 0
    private var strips: [(character: [UInt8], count: Int)]

    init(_ chain: DecoderChain) {
        self.chain = chain
        strips = chain.strips
    }

    /// Takes a token and appends the text that has become final to `output`.
    mutating func append(_ token: [UInt8], to output: inout [UInt8]) {
        let token = Self.apply(chain.first, to: token, isFirst: firstCount == 0)
        firstCount += 1
        if chain.hasByteFallback {
            if let byte = ByteToken.byte(of: token) {
                bytes.append(byte)
                return
            }
            resolveBytes(into: &output)
        }
        emit(token, to: &output)
    }

    /// Appends the rest of the text to `output`.
    mutating func finish(into output: inout [UInt8]) { resolveBytes(into: &output) }

    private mutating func resolveBytes(into output: inout [UInt8]) {
        guard !bytes.isEmpty else { return }
        let run = bytes
        bytes.removeAll()
        if UTF8Repair.isValid(run.span) {
            emit(run, to: &output)
        } else {
            for _ in run { emit(UTF8Repair.replacement, to: &output) }
        }
    }

    private mutating func emit(_ token: [UInt8], to output: inout [UInt8]) {
        var token = Self.apply(chain.second, to: token, isFirst: secondCount == 0)
        secondCount += 1
        for number in strips.indices {
            while strips[number].count > 0, !token.isEmpty {
                guard token.starts(with: strips[number].character) else {
                    strips[number].count = 0
                    break
                }
                token.removeFirst(strips[number].character.count)
                strips[number].count -= 1
            }
        }
        output.append(contentsOf: token)
    }

    fileprivate static func apply(_ steps: [DecoderChain.Step], to token: [UInt8], isFirst: Bool) -> [UInt8] {
        var token = token
        for step in steps {
            switch step {
            case .replace(let pattern, let content): token = TextNormalizer.replace(pattern, with: content, in: token)
            case .metaspace(let replacement, let hasPrefix):
                token = TextNormalizer.replace(replacement, with: isFirst && hasPrefix ? [] : [0x20], in: token)
            case .strip(let character, let count):
                var left = count
                while left > 0, token.starts(with: character) {
                    token.removeFirst(character.count)
                    left -= 1
                }
            case .byteFallback, .fuse: break
            }
        }
        return token
    }
}
