import Storage

/// A drawing in SVG, 336 units wide: the width of a phone's page, on which text keeps its size.
struct Drawing {
    /// The width of every drawing.
    static let width = 336.0

    /// A name that no other drawing of the page has.
    let name: String
    /// What the drawing shows, in a few words.
    let title: String
    /// What can be read from it, for those who do not see it.
    let description: String
    /// The height.
    let height: Double
    private var elements: [String] = []

    init(name: String, title: String, description: String, height: Double) {
        self.name = name
        self.title = title
        self.description = description
        self.height = height
    }

    /// Adds a rectangle, with a text that appears under the pointer.
    mutating func rectangle(
        x: Double, y: Double, width: Double, height: Double, style: String, radius: Double = 0, hint: String? = nil
    ) {
        let hint = hint.map { "<title>\(HTML.escaped($0))</title>" } ?? ""
        let corner = radius > 0 ? " rx=\"\(Self.text(radius))\"" : ""
        elements.append(
            "<rect class=\"\(style)\" x=\"\(Self.text(x))\" y=\"\(Self.text(y))\" width=\"\(Self.text(width))\" "
                + "height=\"\(Self.text(height))\"\(corner)>\(hint)</rect>")
    }

    /// Adds a line.
    mutating func line(from start: (x: Double, y: Double), to end: (x: Double, y: Double), style: String) {
        elements.append(
            "<line class=\"\(style)\" x1=\"\(Self.text(start.x))\" y1=\"\(Self.text(start.y))\" "
                + "x2=\"\(Self.text(end.x))\" y2=\"\(Self.text(end.y))\"/>")
    }

    /// Adds a line through points.
    mutating func curve(_ points: [(x: Double, y: Double)], style: String) {
        let list = points.map { "\(Self.text($0.x)),\(Self.text($0.y))" }.joined(separator: " ")
        elements.append("<polyline class=\"\(style)\" points=\"\(list)\"/>")
    }

    /// Adds text whose baseline begins at a point, or ends or is centred there, as `style` says.
    mutating func text(_ text: String, x: Double, y: Double, style: String = "") {
        elements.append(
            "<text class=\"\(style)\" x=\"\(Self.text(x))\" y=\"\(Self.text(y))\">\(HTML.escaped(text))</text>")
    }

    /// The SVG element.
    var html: String {
        """
        <svg viewBox="0 0 \(Self.text(Self.width)) \(Self.text(height))" role="img" \
        aria-labelledby="\(name)-title \(name)-description">
        <title id="\(name)-title">\(HTML.escaped(title))</title>
        <desc id="\(name)-description">\(HTML.escaped(description))</desc>
        \(elements.joined(separator: "\n"))
        </svg>
        """
    }

    /// A coordinate with at most two decimals.
    private static func text(_ value: Double) -> String {
        var text = value.formatted(decimals: 2)
        while text.last == "0" { text.removeLast() }
        if text.last == "." { text.removeLast() }
        return text
    }
}
