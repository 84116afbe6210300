import Architectures
import Storage

/// The matrices of the decoder's layers as coloured cells with their types: layers from top to bottom, kinds from left
/// to right.
struct HeatMap {
    let grid: LayerGrid
    /// nil if there are no numbers: the cells show types alone.
    let scale: ColorScale?
    private static let (labelWidth, cellWidth, rowHeight) = (40.0, 42.0, 18.0)

    /// The plot; empty if the model has no such matrices.
    ///
    /// - Parameters:
    ///   - name: A name that no other drawing of the page has.
    ///   - title: What the numbers are.
    func html(name: String, title: String) -> String {
        guard !grid.layers.isEmpty else { return "" }
        let top = 40.0
        let bottom = top + Double(grid.layers.count) * Self.rowHeight
        var drawing = Drawing(
            name: name, title: title, description: description, height: bottom + (scale == nil ? 4 : 34))
        drawing.text(title, x: 0, y: 12, style: "title")
        drawing.text("layer", x: Self.labelWidth - 8, y: top - 7, style: "soft end")
        for (column, kind) in MatrixKind.inLayer.enumerated() {
            let x = Self.labelWidth + Double(column) * Self.cellWidth
            drawing.text(kind.shortTitle, x: x + Self.cellWidth / 2 - 1, y: top - 7, style: "middle")
            for (row, layer) in grid.layers.enumerated() {
                guard let cell = grid.cell(layer, kind) else { continue }
                draw(cell, x: x, y: top + Double(row) * Self.rowHeight, in: &drawing)
            }
        }
        for (row, layer) in grid.layers.enumerated() {
            drawing.text(
                "\(layer)", x: Self.labelWidth - 8, y: top + Double(row) * Self.rowHeight + 12, style: "soft end")
        }
        scale?.drawLegend(
            x: Self.labelWidth, y: bottom + 5, width: Self.cellWidth * Double(MatrixKind.inLayer.count) - 2,
            in: &drawing)
        return drawing.html
    }

    private func draw(_ cell: LayerGrid.Cell, x: Double, y: Double, in drawing: inout Drawing) {
        let step = cell.value.flatMap { scale?.step($0) }
        let value = cell.value.map { $0 == 0 ? "0" : significant($0) } ?? "not known"
        drawing.rectangle(
            x: x, y: y, width: Self.cellWidth - 2, height: Self.rowHeight - 2,
            style: step.flatMap { scale?.style($0) } ?? "empty", radius: 2,
            hint: "\(cell.name): \(cell.type), \(value)")
        drawing.text(
            String(cell.type.prefix(6)), x: x + Self.cellWidth / 2 - 1, y: y + 12,
            style: "small middle \(ColorScale.inkStyle(step))")
    }

    private var description: String {
        let cells = grid.layers.flatMap { layer in MatrixKind.inLayer.compactMap { grid.cell(layer, $0) } }
        let largest = cells.max { ($0.value ?? 0) < ($1.value ?? 0) }
        let peak = largest.flatMap { cell in
            cell.value.flatMap { $0 > 0 ? "the largest number is \(significant($0)), of \(cell.name)" : nil }
        }
        let size = "\(grid.layers.count) layers, \(MatrixKind.inLayer.count) kinds of matrices"
        return [size, peak].compactMap(\.self).joined(separator: "; ") + ". The table below has all numbers."
    }
}
