import Storage
import Tokenization

/// A code point of a prompt, marked with its origin: a message, or the template.
struct PromptScalar: Hashable, Sendable {
    private let bits: UInt32
    private static let contentBit: UInt32 = 1 << 31

    init(_ scalar: Unicode.Scalar, isContent: Bool = false) {
        bits = scalar.value | (isContent ? Self.contentBit : 0)
    }

    var value: UInt32 { bits & ~Self.contentBit }
    /// Whether the code point comes from a message rather than from the template.
    var isContent: Bool { bits & Self.contentBit != 0 }
    var scalar: Unicode.Scalar { Unicode.Scalar(value) ?? "\u{FFFD}" }

    /// Code points that replace this one and have the same origin.
    func replaced(by scalars: some Sequence<Unicode.Scalar>) -> [PromptScalar] {
        scalars.map { PromptScalar($0, isContent: isContent) }
    }

    static func == (left: PromptScalar, right: PromptScalar) -> Bool { left.value == right.value }
    func hash(into hasher: inout Hasher) { hasher.combine(value) }
}

/// A text for the model that distinguishes what messages contain from what the template writes.
package struct PromptText: Sendable, Hashable {
    var scalars: [PromptScalar]

    init(_ scalars: [PromptScalar]) { self.scalars = scalars }

    /// A text in which all special tokens are parsed.
    init(_ text: String) { scalars = text.unicodeScalars.map { PromptScalar($0) } }

    /// The text without origins.
    package var text: String { String(scalars) }

    /// The text as segments of one origin. Special tokens are parsed only in segments of the template.
    var segments: [TextSegment] {
        var result: [TextSegment] = []
        var rest = scalars[...]
        while let first = rest.first {
            let segment = rest.prefix { $0.isContent == first.isContent }
            result.append(TextSegment(text: String(segment), parsesSpecial: !first.isContent))
            rest = rest[segment.endIndex...]
        }
        return result
    }

    /// The same text with special tokens parsed everywhere.
    var parsingSpecialTokens: PromptText { PromptText(scalars.map { PromptScalar($0.scalar) }) }

    /// Lets a special token be parsed wherever it is spelled.
    mutating func parseSpecialToken(_ token: String) {
        let spelling = token.unicodeScalars.map { PromptScalar($0) }
        scalars.replaceOccurrences(of: spelling, with: spelling)
    }
}

extension String {
    init(_ scalars: some Sequence<PromptScalar>) {
        var view = String.UnicodeScalarView()
        for scalar in scalars { view.append(scalar.scalar) }
        self.init(view)
    }
}
