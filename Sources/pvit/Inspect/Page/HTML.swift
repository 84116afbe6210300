import Conversion
import Storage

/// Parts of the pages that `inspect` writes. The pages are well-formed XML, too.
enum HTML {
    /// A column of a table.
    struct Column {
        let title: String
        let isNumber: Bool

        /// A column of text.
        static func text(_ title: String) -> Column { Column(title: title, isNumber: false) }
        /// A column of numbers, which is right-aligned.
        static func number(_ title: String) -> Column { Column(title: title, isNumber: true) }
    }

    /// A table that scrolls if it is wider than the page.
    ///
    /// - Parameters:
    ///   - caption: What the table shows.
    ///   - rows: A cell for each column, as plain text.
    ///   - wraps: Whether long texts are broken, so that the table does not become wider than the page.
    static func table(
        _ caption: String, _ columns: [Column], _ rows: [[String]], wraps: Bool = false
    ) -> String {
        func attribute(_ column: Column) -> String { column.isNumber ? " class=\"number\"" : "" }
        let titles = columns.map { "<th scope=\"col\"\(attribute($0))>\(escaped($0.title))</th>" }.joined()
        let body = rows.map { row in
            let cells = zip(columns, row).map { "<td\(attribute($0))>\(escaped($1))</td>" }.joined()
            return "<tr>\(cells)</tr>"
        }
        return """
            <figure>
            <figcaption>\(escaped(caption))</figcaption>
            <div class="scroll" tabindex="0" role="region" aria-label="\(escaped(caption))"><table\(wraps ? " class=\"wraps\"" : "")>
            <thead><tr>\(titles)</tr></thead>
            <tbody>
            \(body.joined(separator: "\n"))
            </tbody>
            </table></div>
            </figure>
            """
    }

    /// A part of the page that is folded until the reader opens it.
    static func details(_ summary: String, _ content: String) -> String {
        "<details><summary>\(escaped(summary))</summary>\n\(content)\n</details>"
    }

    /// A section with a heading; empty if there is no content.
    static func section(_ title: String, _ content: String...) -> String {
        let content = content.filter { !$0.isEmpty }.joined(separator: "\n")
        return content.isEmpty ? "" : "<section>\n<h2>\(escaped(title))</h2>\n\(content)\n</section>"
    }

    /// A paragraph of plain text.
    static func paragraph(_ text: String, style: String? = nil) -> String {
        "<p\(style.map { " class=\"\($0)\"" } ?? "")>\(escaped(text))</p>"
    }

    /// Blocks beside each other where there is room, and below each other where there is not.
    static func sideBySide(_ blocks: [String]) -> String {
        let items = blocks.filter { !$0.isEmpty }.map { "<div>\n\($0)\n</div>" }
        return items.isEmpty ? "" : "<div class=\"columns\">\n\(items.joined(separator: "\n"))\n</div>"
    }

    /// A list of names and values.
    static func definitions(_ facts: [ModelReport.Fact]) -> String {
        guard !facts.isEmpty else { return "" }
        let items = facts.map { "<dt>\(escaped($0.name))</dt><dd>\(escaped($0.value))</dd>" }
        return "<dl>\n\(items.joined(separator: "\n"))\n</dl>"
    }

    /// Numbers to be seen at a glance.
    static func figures(_ figures: [ModelReport.Fact]) -> String {
        let items = figures.map {
            "<li><span class=\"value\">\(escaped($0.value))</span><span>\(escaped($0.name))</span></li>"
        }
        return "<ul class=\"figures\">\n\(items.joined(separator: "\n"))\n</ul>"
    }

    /// A complete page.
    static func page(title: String, _ content: [String]) -> String {
        """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8"/>
        <meta name="viewport" content="width=device-width, initial-scale=1"/>
        <meta name="color-scheme" content="light dark"/>
        <title>\(escaped(title))</title>
        <style>
        \(style)
        </style>
        </head>
        <body>
        <main>
        \(content.filter { !$0.isEmpty }.joined(separator: "\n"))
        </main>
        </body>
        </html>

        """
    }

    /// Escapes text for HTML and XML. Control characters, and characters that XML does not have, become visible.
    static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.escapingControlCharacters.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "\u{FFFE}", "\u{FFFF}": result += "\\u{\(String(scalar.value, radix: 16))}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
