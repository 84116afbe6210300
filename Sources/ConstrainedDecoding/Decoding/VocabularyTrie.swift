import Tensors

/// The tokens of a vocabulary by their bytes, to find those that a constraint allows. Make one for each tokenizer.
///
/// Tokens are in two trees. Those of plain characters (whole characters of UTF-8 that need no escape in a string) need
/// not be walked inside a string: their numbers of characters decide. Few tokens are not plain.
package final class VocabularyTrie: Sendable {
    private let tokens: [TokenID: [UInt8]]
    private let plain: ByteTrie
    private let others: ByteTrie
    private let plainMasks: PlainTokenMasks
    /// Masks have a bit for each token below this.
    package let capacity: Int

    /// Creates the tree.
    ///
    /// - Parameters:
    ///   - tokens: The bytes of each token inside a text. Leave out special tokens, which are no text. Tokens without
    ///     bytes are never allowed.
    ///   - capacity: The number of tokens that masks have bits for: the number of logits. At least the largest id in
    ///     `tokens` fits in any case.
    package init(_ tokens: [TokenID: [UInt8]], capacity: Int = 0) {
        let entries = tokens.compactMap { token, bytes in
            token.rawValue >= 0 && !bytes.isEmpty ? (token: token, bytes: bytes) : nil
        }
        self.capacity = max(capacity, (entries.map { Int($0.token.rawValue) }.max() ?? -1) + 1)
        var plain: [(token: TokenID, bytes: [UInt8])] = []
        var others: [(token: TokenID, bytes: [UInt8])] = []
        var lengths: [(token: TokenID, length: Int)] = []
        for entry in entries {
            if let length = Self.plainLength(of: entry.bytes) {
                plain.append(entry)
                lengths.append((entry.token, length))
            } else {
                others.append(entry)
            }
        }
        self.tokens = tokens
        self.plain = ByteTrie(plain)
        self.others = ByteTrie(others)
        plainMasks = PlainTokenMasks(lengths, capacity: self.capacity)
    }

    /// The bytes of a token; nil if it has none.
    func bytes(of token: TokenID) -> [UInt8]? {
        guard let bytes = tokens[token], !bytes.isEmpty else { return nil }
        return bytes
    }

    /// The number of characters of a plain token; nil for others.
    private static func plainLength(of bytes: [UInt8]) -> Int? {
        guard bytes.allSatisfy({ $0 >= 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }),
            (try? UTF8Span(validating: bytes.span)) != nil
        else { return nil }
        return bytes.count { $0 & 0xC0 != 0x80 }
    }

    /// The tokens that may come next.
    ///
    /// - Complexity: One look-up if the same point of a text was asked for before.
    package func allowedTokens(from state: ConstraintState) -> TokenMask {
        state.withTable { table, configuration in
            if let known = table.maskCache.mask(of: configuration, for: self) { return known }
            var mask: TokenMask
            if let run = table.plainRun(of: configuration) {
                mask = plainMasks.mask(upTo: Int(run.length))
                if !run.isLimit, run.length < plainMasks.maximumLength {
                    plain.mark(allowedFrom: configuration, in: &table, into: &mask)
                }
            } else {
                mask = TokenMask(capacity: capacity)
                plain.mark(allowedFrom: configuration, in: &table, into: &mask)
            }
            others.mark(allowedFrom: configuration, in: &table, into: &mask)
            table.maskCache.insert(mask, of: configuration, for: self)
            return mask
        }
    }
}

/// The masks of all plain tokens up to a number of characters.
private struct PlainTokenMasks: Sendable {
    private static let shortLength = 16

    /// By the largest number of characters, up to `shortLength`.
    private var short: [TokenMask]
    private var all: TokenMask
    /// The tokens that are longer, with their lengths.
    private var long: [(token: TokenID, length: Int)]
    /// The number of characters of the longest token.
    let maximumLength: Int

    init(_ lengths: [(token: TokenID, length: Int)], capacity: Int) {
        short = [TokenMask](repeating: TokenMask(capacity: capacity), count: Self.shortLength + 1)
        all = TokenMask(capacity: capacity)
        for (token, length) in lengths {
            all[token] = true
            guard length <= Self.shortLength else { continue }
            for limit in length...Self.shortLength { short[limit][token] = true }
        }
        long = lengths.filter { $0.length > Self.shortLength }
        maximumLength = lengths.map(\.length).max() ?? 0
    }

    func mask(upTo limit: Int) -> TokenMask {
        if limit >= maximumLength { return all }
        if limit <= Self.shortLength { return short[max(0, limit)] }
        var mask = all
        for (token, length) in long where length > limit { mask[token] = false }
        return mask
    }
}
