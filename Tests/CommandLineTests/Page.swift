import Foundation
import FoundationXML
import Testing

/// A page that `inspect --report` wrote, read by an XML parser.
struct Page {
    /// The bytes as text.
    let source: String
    /// The text of all elements but the style sheet.
    let text: String
    /// The texts of the headings.
    let headings: [String]
    /// The titles of the drawings.
    let drawings: [String]
    private let tables: [(caption: String, rows: [[String]])]
    private let identifiers: [String]
    private let references: [String]
    private let elements: Set<String>
    private let attributes: Set<String>
    private let problem: String?

    init(contentsOf path: String) throws {
        source = try String(contentsOfFile: path, encoding: .utf8)
        let reader = Reader()
        let parser = XMLParser(data: Data(source.utf8))
        parser.delegate = reader
        problem = parser.parse() ? nil : "line \(parser.lineNumber): \(parser.parserError.map { "\($0)" } ?? "?")"
        text = reader.text
        headings = reader.headings
        drawings = reader.drawings
        tables = reader.tables
        identifiers = reader.identifiers
        references = reader.references
        elements = reader.elements
        attributes = reader.attributes
    }

    /// Expects a well-formed page without scripts and references to other files, whose drawings are described.
    func check() {
        #expect(problem == nil)
        #expect(Set(identifiers).count == identifiers.count, "names occur twice")
        #expect(!references.isEmpty && Set(references).isSubset(of: identifiers))
        #expect(elements.isDisjoint(with: ["script", "link", "img", "iframe", "object", "image", "use", "a"]))
        #expect(attributes.isDisjoint(with: ["src", "href", "xlink:href", "srcset", "style", "onclick", "onload"]))
        for word in ["http", "url(", "@import", "NaN", "nan%", "\"inf"] { #expect(!source.contains(word), "\(word)") }
    }

    /// The rows of the table whose caption begins with a text.
    func table(_ caption: String) throws -> [[String]] {
        try #require(tables.first { $0.caption.hasPrefix(caption) }).rows
    }

    private final class Reader: NSObject, XMLParserDelegate {
        var text = ""
        var headings: [String] = []
        var drawings: [String] = []
        var tables: [(caption: String, rows: [[String]])] = []
        var identifiers: [String] = []
        var references: [String] = []
        var elements: Set<String> = []
        var attributes: Set<String> = []
        private var path: [String] = []
        private var content = ""

        func parser(
            _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
            attributes found: [String: String]
        ) {
            elements.insert(name)
            attributes.formUnion(found.keys)
            if let identifier = found["id"] { identifiers.append(identifier) }
            references += found["aria-labelledby"]?.split(separator: " ").map(String.init) ?? []
            if name == "figure" { tables.append(("", [])) }
            if name == "tr", path.last == "tbody" { tables[tables.count - 1].rows.append([]) }
            path.append(name)
            content = ""
        }

        func parser(_ parser: XMLParser, foundCharacters characters: String) {
            content += characters
            if path.last != "style" { text += characters }
        }

        func parser(
            _ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?
        ) {
            path.removeLast()
            switch name {
            case "h2": headings.append(content)
            case "title" where path.last == "svg": drawings.append(content)
            case "figcaption": tables[tables.count - 1].caption = content
            case "td":
                let last = tables[tables.count - 1].rows.count - 1
                if last >= 0 { tables[tables.count - 1].rows[last].append(content) }
            default: break
            }
            text += " "
        }
    }
}
