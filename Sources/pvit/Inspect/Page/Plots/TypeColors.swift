/// The colours of types, the same in all plots of a page.
struct TypeColors {
    /// All types of the page, in the order of legends.
    let types: [String]
    private static let own = ["q4": 0, "q8": 1, "f16": 2, "bf16": 4, "f32": 3, "u8": 7]

    init(_ types: some Sequence<String>) { self.types = Set(types).sorted() }

    /// The style of a type. Types without a colour of their own take the rest in turn.
    func style(_ type: String) -> String {
        if let color = Self.own[type.lowercased()] { return "t\(color)" }
        let taken = Set(types.compactMap { Self.own[$0.lowercased()] })
        let free = (0..<8).filter { !taken.contains($0) }
        let others = types.filter { Self.own[$0.lowercased()] == nil }
        guard !free.isEmpty, let index = others.firstIndex(of: type) else { return "t7" }
        return "t\(free[index % free.count])"
    }

    /// How many lines a legend takes.
    func legendLines(_ types: [String]) -> Int { (types.count + 4) / 5 }

    /// Draws a legend of some types, five in a line.
    func drawLegend(_ types: [String], y: Double, in drawing: inout Drawing) {
        for (index, type) in types.enumerated() {
            let (x, y) = (Double(index % 5) * 66 + 2, y + Double(index / 5) * 16)
            drawing.rectangle(x: x, y: y, width: 10, height: 10, style: style(type), radius: 2)
            drawing.text(String(type.prefix(8)), x: x + 14, y: y + 9, style: "soft")
        }
    }
}
