/// A chunk of a template: literal text, or the tokens of a tag.
enum JinjaChunk {
    case text(JinjaString)
    /// `{{ … }}`
    case output([JinjaToken])
    /// `{% … %}`
    case statement([JinjaToken])
}

/// Cuts a template into chunks, as Jinja does with `trim_blocks` and `lstrip_blocks`.
///
/// `transformers` renders chat templates with these settings: the newline after a statement or comment is removed, and
/// so is the indentation before it. A `-` inside a tag removes all white space on its side.
struct JinjaLexer {
    private enum Kind {
        case output
        case statement
        case comment

        var end: [Unicode.Scalar] {
            switch self {
            case .output: ["}", "}"]
            case .statement: ["%", "}"]
            case .comment: ["#", "}"]
            }
        }
    }

    private let source: [Unicode.Scalar]
    private var position = 0
    private var chunks: [JinjaChunk] = []
    /// Whether the current text begins a line: it is the first, or the tag before it removed the newline.
    private var beginsLine = true

    static func chunks(of template: String) throws -> [JinjaChunk] {
        var source = normalizingNewlines(template.unicodeScalars)
        if source.last == "\n" { source.removeLast() }
        var lexer = JinjaLexer(source: source)
        try lexer.run()
        return lexer.chunks
    }

    private init(source: [Unicode.Scalar]) { self.source = source }

    /// Replaces `\r\n` and `\r` by `\n`.
    static func normalizingNewlines(_ scalars: some Sequence<Unicode.Scalar>) -> [Unicode.Scalar] {
        var result: [Unicode.Scalar] = []
        var wasReturn = false
        for scalar in scalars {
            if scalar == "\r" || !(scalar == "\n" && wasReturn) { result.append(scalar == "\r" ? "\n" : scalar) }
            wasReturn = scalar == "\r"
        }
        return result
    }

    private mutating func run() throws {
        while let (kind, begin) = nextTag() {
            var text = source[position..<begin]
            position = begin + 2
            let mark = scalar(position)
            if mark == "-" || mark == "+" { position += 1 }
            Self.strip(&text, mark, isOutput: kind == .output, beginsLine: beginsLine)
            append(text)
            switch kind {
            case .comment: try skipComment()
            case .output: chunks.append(.output(try tokens(until: kind)))
            case .statement:
                let tokens = try tokens(until: kind)
                guard tokens.count == 1, tokens[0] == .name("raw") else {
                    chunks.append(.statement(tokens))
                    continue
                }
                try readRaw()
            }
        }
        append(source[position...])
    }

    /// Removes the white space before a tag.
    private static func strip(
        _ text: inout ArraySlice<Unicode.Scalar>, _ mark: Unicode.Scalar?, isOutput: Bool, beginsLine: Bool
    ) {
        if mark == "-" {
            while let last = text.last, last.isPythonSpace { text.removeLast() }
        } else if !isOutput, mark != "+" {
            let start = text.lastIndex(of: "\n").map { $0 + 1 } ?? text.startIndex
            let startsLine = start > text.startIndex || beginsLine
            if startsLine, text[start...].allSatisfy(\.isPythonSpace) { text = text[..<start] }
        }
    }

    private mutating func append(_ text: ArraySlice<Unicode.Scalar>) {
        if !text.isEmpty { chunks.append(.text(JinjaString(text.lazy.map { PromptScalar($0) }))) }
    }

    private func scalar(_ index: Int) -> Unicode.Scalar? { index < source.count ? source[index] : nil }

    private func nextTag() -> (Kind, Int)? {
        for index in position..<source.count where source[index] == "{" {
            switch scalar(index + 1) {
            case "{": return (.output, index)
            case "%": return (.statement, index)
            case "#": return (.comment, index)
            default: continue
            }
        }
        return nil
    }

    private func isEnd(_ kind: Kind, _ index: Int) -> Bool {
        scalar(index) == kind.end[0] && scalar(index + 1) == kind.end[1]
    }

    private mutating func skipComment() throws {
        while position < source.count {
            let mark = source[position]
            if isEnd(.comment, position) { return finishTag(.comment, mark: nil) }
            if mark == "-" || mark == "+", isEnd(.comment, position + 1) {
                position += 1
                return finishTag(.comment, mark: mark)
            }
            position += 1
        }
        throw JinjaError.syntax("a comment is not closed")
    }

    private mutating func tokens(until kind: Kind) throws -> [JinjaToken] {
        var reader = JinjaTokenReader(source, at: position)
        var tokens: [JinjaToken] = []
        while true {
            reader.skipSpace()
            position = reader.position
            guard let first = scalar(position) else { throw JinjaError.syntax("a tag is not closed") }
            if reader.isBalanced {
                if isEnd(kind, position) {
                    finishTag(kind, mark: nil)
                    return tokens
                }
                if first == "-" || (first == "+" && kind == .statement), isEnd(kind, position + 1) {
                    position += 1
                    finishTag(kind, mark: first)
                    return tokens
                }
            }
            tokens.append(try reader.next())
        }
    }

    /// Skips the end of a tag, and the white space that it removes after itself.
    private mutating func finishTag(_ kind: Kind, mark: Unicode.Scalar?) {
        position += 2
        beginsLine = false
        if mark == "-" {
            while let space = scalar(position), space.isPythonSpace { position += 1 }
        } else if kind != .output, mark == nil, scalar(position) == "\n" {
            position += 1
            beginsLine = true
        }
    }

    /// Reads literal text up to `{% endraw %}`.
    private mutating func readRaw() throws {
        // Keep the newline after `{% raw %}`.
        if position > 0, beginsLine { position -= 1 }
        beginsLine = false
        let start = position
        for index in start..<source.count where source[index] == "{" && scalar(index + 1) == "%" {
            var end = index + 2
            let mark = scalar(end)
            if mark == "-" || mark == "+" { end += 1 }
            while let space = scalar(end), space.isPythonSpace { end += 1 }
            guard source[end...].starts(with: "endraw".unicodeScalars) else { continue }
            end += 6
            while let space = scalar(end), space.isPythonSpace { end += 1 }
            let endMark = scalar(end)
            if endMark == "-" || endMark == "+" { end += 1 }
            guard isEnd(.statement, end) else { continue }
            var text = source[start..<index]
            Self.strip(&text, mark, isOutput: false, beginsLine: false)
            append(text)
            position = end
            return finishTag(.statement, mark: endMark == "%" ? nil : endMark)
        }
        throw JinjaError.syntax("the tag 'raw' is not closed")
    }
}
