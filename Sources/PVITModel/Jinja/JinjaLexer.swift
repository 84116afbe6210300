/// A piece of a template: text as it is, or the tokens of a tag.
enum JinjaPiece {
    case text(JinjaString)
    /// `{{ … }}`
    case output([JinjaToken])
    /// `{% … %}`
    case statement([JinjaToken])
}

/// Cuts a template into pieces, as Jinja does with `trim_blocks` and `lstrip_blocks`, which is how chat templates are
/// rendered: a newline after a statement or comment vanishes, and so does the indentation before one; a `-` inside a
/// tag removes all white space on its side.
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
    private var place = 0
    private var pieces: [JinjaPiece] = []
    /// Whether the current text begins a line: it is the first, or the tag before it took the newline.
    private var beginsLine = true

    static func pieces(of template: String) throws -> [JinjaPiece] {
        var source = normalizingNewlines(template.unicodeScalars)
        if source.last == "\n" { source.removeLast() }
        var lexer = JinjaLexer(source: source)
        try lexer.run()
        return lexer.pieces
    }

    private init(source: [Unicode.Scalar]) { self.source = source }

    /// `\r\n` and `\r` become `\n`.
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
            var text = source[place..<begin]
            place = begin + 2
            let mark = scalar(place)
            if mark == "-" || mark == "+" { place += 1 }
            Self.strip(&text, mark, isOutput: kind == .output, beginsLine: beginsLine)
            append(text)
            switch kind {
            case .comment: try skipComment()
            case .output: pieces.append(.output(try tokens(until: kind)))
            case .statement:
                let tokens = try tokens(until: kind)
                guard tokens.count == 1, tokens[0] == .name("raw") else {
                    pieces.append(.statement(tokens))
                    continue
                }
                try readRaw()
            }
        }
        append(source[place...])
    }

    /// Removes the white space that a tag takes away before itself.
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
        if !text.isEmpty { pieces.append(.text(JinjaString(text.lazy.map { PromptScalar($0) }))) }
    }

    private func scalar(_ index: Int) -> Unicode.Scalar? { index < source.count ? source[index] : nil }

    private func nextTag() -> (Kind, Int)? {
        for index in place..<source.count where source[index] == "{" {
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
        while place < source.count {
            let mark = source[place]
            if isEnd(.comment, place) { return finishTag(.comment, mark: nil) }
            if mark == "-" || mark == "+", isEnd(.comment, place + 1) {
                place += 1
                return finishTag(.comment, mark: mark)
            }
            place += 1
        }
        throw JinjaError.syntax("a comment is not closed")
    }

    private mutating func tokens(until kind: Kind) throws -> [JinjaToken] {
        var reader = JinjaTokenReader(source, at: place)
        var tokens: [JinjaToken] = []
        while true {
            reader.skipSpace()
            place = reader.place
            guard let first = scalar(place) else { throw JinjaError.syntax("a tag is not closed") }
            if reader.isBalanced {
                if isEnd(kind, place) {
                    finishTag(kind, mark: nil)
                    return tokens
                }
                if first == "-" || (first == "+" && kind == .statement), isEnd(kind, place + 1) {
                    place += 1
                    finishTag(kind, mark: first)
                    return tokens
                }
            }
            tokens.append(try reader.next())
        }
    }

    /// Passes over the end of a tag, and the white space that it takes away behind itself.
    private mutating func finishTag(_ kind: Kind, mark: Unicode.Scalar?) {
        place += 2
        beginsLine = false
        if mark == "-" {
            while let space = scalar(place), space.isPythonSpace { place += 1 }
        } else if kind != .output, mark == nil, scalar(place) == "\n" {
            place += 1
            beginsLine = true
        }
    }

    /// Text up to `{% endraw %}`.
    private mutating func readRaw() throws {
        // A newline after `{% raw %}` stays.
        if place > 0, beginsLine { place -= 1 }
        beginsLine = false
        let start = place
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
            place = end
            return finishTag(.statement, mark: endMark == "%" ? nil : endMark)
        }
        throw JinjaError.syntax("the tag 'raw' is not closed")
    }
}
