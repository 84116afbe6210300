import Tokenization

/// A code point of a prompt, which knows whether it comes from what a message says.
struct PromptScalar: Hashable, Sendable {
    private let bits: UInt32
    private static let contentBit: UInt32 = 1 << 31

    init(_ scalar: Unicode.Scalar, isContent: Bool = false) {
        bits = scalar.value | (isContent ? Self.contentBit : 0)
    }

    var value: UInt32 { bits & ~Self.contentBit }
    /// Whether it comes from what a message says, rather than from the template.
    var isContent: Bool { bits & Self.contentBit != 0 }
    var scalar: Unicode.Scalar { Unicode.Scalar(value) ?? "\u{FFFD}" }

    /// Other code points of the same origin.
    func replaced(by scalars: some Sequence<Unicode.Scalar>) -> [PromptScalar] {
        scalars.map { PromptScalar($0, isContent: isContent) }
    }

    static func == (left: PromptScalar, right: PromptScalar) -> Bool { left.value == right.value }
    func hash(into hasher: inout Hasher) { hasher.combine(value) }
}

/// A text for the model in which what messages say is told from what their template writes.
public struct PromptText: Sendable, Hashable {
    var scalars: [PromptScalar]

    init(_ scalars: [PromptScalar]) { self.scalars = scalars }

    /// A text whose special tokens all count.
    init(_ text: String) { scalars = text.unicodeScalars.map { PromptScalar($0) } }

    /// The text alone.
    public var text: String { String(scalars) }

    /// The text in stretches, of which those that messages say spell no special tokens.
    var segments: [TextSegment] {
        var result: [TextSegment] = []
        var rest = scalars[...]
        while let first = rest.first {
            let stretch = rest.prefix { $0.isContent == first.isContent }
            result.append(TextSegment(text: String(stretch), parsesSpecial: !first.isContent))
            rest = rest[stretch.endIndex...]
        }
        return result
    }

    /// The same with special tokens that count wherever they stand.
    var recognisingAll: PromptText { PromptText(scalars.map { PromptScalar($0.scalar) }) }

    /// Makes a token count wherever it is spelled.
    mutating func recognise(_ token: String) {
        let spelling = token.unicodeScalars.map { PromptScalar($0) }
        scalars.replace(spelling, with: spelling)
    }
}

extension String {
    init(_ scalars: some Sequence<PromptScalar>) {
        var view = String.UnicodeScalarView()
        for scalar in scalars { view.append(scalar.scalar) }
        self.init(view)
    }
}
