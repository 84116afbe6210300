import Tensors

/// A piece of a template: text as it is, or the tokens of a tag.
enum JinjaPiece: Equatable {
    case text(String)
    /// `{{ … }}`
    case output([JinjaToken])
    /// `{% … %}`
    case statement([JinjaToken])
}

/// A token inside a tag.
enum JinjaToken: Hashable {
    case name(String)
    case string(String)
    case integer(Int)
    /// An operator or a bracket.
    case symbol(String)
}

/// Cuts a template into pieces, as Jinja does with `trim_blocks` and `lstrip_blocks`, which is how chat templates are
/// rendered: a newline after a statement or comment vanishes, and so does the indentation before one; a `-` inside a tag
/// removes all white space on its side.
struct JinjaLexer {
    private enum Kind {
        case output
        case statement
        case comment

        var end: String {
            switch self {
            case .output: "}}"
            case .statement: "%}"
            case .comment: "#}"
            }
        }
    }

    private var rest: Substring
    private var pieces: [JinjaPiece] = []
    private var stripsNext = false
    /// Whether the current text begins a line: it is the first, or the tag before it took the newline.
    private var beginsLine = true

    static func pieces(of template: String) throws -> [JinjaPiece] {
        // Python sees \r\n as two characters, Swift as one: normalise as Jinja does.
        var source = template.unicodeScalars.filter { $0 != "\r" }.reduce(into: "") { $0.unicodeScalars.append($1) }
        if source.hasSuffix("\n") { source.removeLast() }
        var lexer = JinjaLexer(rest: source[...])
        try lexer.run()
        return lexer.pieces
    }

    private init(rest: Substring) { self.rest = rest }

    private mutating func run() throws {
        while let (kind, begin) = nextTag() {
            var text = rest[..<begin]
            rest = rest[begin...].dropFirst(2)
            let mark = rest.first
            if mark == "-" || mark == "+" { rest.removeFirst() }
            if stripsNext { text = Self.dropLeadingSpace(text) }
            if mark == "-" {
                while let last = text.last, last.isWhitespace { text.removeLast() }
            } else if kind != .output, mark != "+" {
                let line = text.lastIndex(of: "\n").map { text[text.index(after: $0)...] } ?? text
                let startsLine = line.startIndex > text.startIndex || beginsLine
                if startsLine, line.allSatisfy({ $0 == " " || $0 == "\t" }) { text = text[..<line.startIndex] }
            }
            append(text: text)
            try readTag(kind)
        }
        append(text: stripsNext ? Self.dropLeadingSpace(rest) : rest)
    }

    private static func dropLeadingSpace(_ text: Substring) -> Substring { text.drop(while: \.isWhitespace) }

    private mutating func append(text: Substring) {
        if !text.isEmpty { pieces.append(.text(String(text))) }
    }

    private func nextTag() -> (Kind, String.Index)? {
        var index = rest.startIndex
        while let brace = rest[index...].firstIndex(of: "{") {
            let after = rest.index(after: brace)
            switch after < rest.endIndex ? rest[after] : " " {
            case "{": return (.output, brace)
            case "%": return (.statement, brace)
            case "#": return (.comment, brace)
            default: index = after
            }
        }
        return nil
    }

    /// Reads to the end of a tag and over the white space that it removes behind itself.
    private mutating func readTag(_ kind: Kind) throws {
        var tokens: [JinjaToken] = []
        var mark: Character?
        if kind == .comment {
            while !rest.isEmpty, !rest.hasPrefix("#}") {
                mark = rest.removeFirst()
            }
        } else {
            while true {
                rest = Self.dropLeadingSpace(rest)
                guard let first = rest.first else { throw JinjaError.syntax("a tag is not closed") }
                mark = first
                if rest.hasPrefix(kind.end) { break }
                if first == "-" || first == "+", rest.dropFirst().hasPrefix(kind.end) {
                    rest.removeFirst()
                    break
                }
                tokens.append(try readToken())
            }
        }
        guard rest.hasPrefix(kind.end) else { throw JinjaError.syntax("a tag is not closed") }
        rest.removeFirst(2)
        stripsNext = mark == "-"
        beginsLine = false
        if kind != .output, !stripsNext, mark != "+", rest.first == "\n" {
            rest.removeFirst()
            beginsLine = true
        }
        switch kind {
        case .output: pieces.append(.output(tokens))
        case .statement: pieces.append(.statement(tokens))
        case .comment: break
        }
    }

    private mutating func readToken() throws -> JinjaToken {
        guard let first = rest.first else { throw JinjaError.syntax("a tag is not closed") }
        if first == "'" || first == "\"" { return .string(try readString(quote: first)) }
        if first.isASCII, first.isNumber {
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            rest = rest.dropFirst(digits.count)
            guard let value = Int(digits), rest.first != "." || rest.dropFirst().first?.isNumber != true else {
                throw JinjaError.syntax("a number that is not supported")
            }
            return .integer(value)
        }
        if first == "_" || first.isLetter {
            let name = rest.prefix { $0 == "_" || $0.isLetter || $0.isNumber }
            rest = rest.dropFirst(name.count)
            return .name(String(name))
        }
        for symbol in ["==", "!=", "<=", ">=", "//", "**"] where rest.hasPrefix(symbol) {
            rest = rest.dropFirst(2)
            return .symbol(symbol)
        }
        guard "+-*/%~<>=()[]{},.:|".contains(first) else { throw JinjaError.syntax("an unexpected '\(first)'") }
        rest.removeFirst()
        return .symbol(String(first))
    }

    private mutating func readString(quote: Character) throws -> String {
        rest.removeFirst()
        var result = ""
        while let character = rest.popFirst() {
            if character == quote { return result }
            guard character == "\\" else {
                result.append(character)
                continue
            }
            switch rest.popFirst() {
            case "n": result.append("\n")
            case "t": result.append("\t")
            case "r": result.append("\r")
            case "\\": result.append("\\")
            case "'": result.append("'")
            case "\"": result.append("\"")
            case let other?:
                guard other != "u", other != "x", !other.isNumber else {
                    throw JinjaError.syntax("an escape that is not supported")
                }
                result.append("\\")
                result.append(other)
            case nil: break
            }
        }
        throw JinjaError.syntax("a string is not closed")
    }
}
