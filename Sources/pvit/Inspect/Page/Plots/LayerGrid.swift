import Architectures
import Conversion
import Storage
import Tensors

/// A number for each matrix of the decoder's layers: one row for each layer, one column for each kind.
struct LayerGrid {
    /// A matrix.
    struct Cell {
        let name: TensorName
        let type: String
        /// The number; nil if it is not known.
        let value: Double?
    }

    /// The numbers of the layers, ascending.
    let layers: [Int]
    private let cells: [Int: [LlamaLayerTensor: Cell]]

    /// Collects the matrices of a model.
    init(of model: ModelReport, _ value: (ModelReport.TensorRow) -> Double?) {
        var cells: [Int: [LlamaLayerTensor: Cell]] = [:]
        for row in model.tensors where row.aliasOf == nil {
            guard let (layer, kind) = MatrixKind.inLayer(row.name) else { continue }
            let number = value(row).flatMap { $0.isFinite && $0 >= 0 ? $0 : nil }
            cells[layer, default: [:]][kind] = Cell(name: row.name, type: row.encoding, value: number)
        }
        self.cells = cells
        layers = cells.keys.sorted()
    }

    /// The matrix of a kind in a layer, or nil.
    func cell(_ layer: Int, _ kind: LlamaLayerTensor) -> Cell? { cells[layer]?[kind] }

    /// All numbers.
    var values: [Double] { cells.values.flatMap { $0.values.compactMap(\.value) } }

    /// All types.
    var types: Set<String> { Set(cells.values.flatMap { $0.values.map(\.type) }) }

    /// The numbers as a table, with the types.
    func table(_ caption: String) -> String {
        let kinds = MatrixKind.inLayer
        return HTML.table(
            caption, [.number("layer")] + kinds.map { .number($0.shortTitle) },
            layers.map { layer in
                ["\(layer)"]
                    + kinds.map { kind in
                        guard let cell = cell(layer, kind) else { return "-" }
                        return "\(cell.value.map { $0 == 0 ? "0" : significant($0) } ?? "-") \(cell.type)"
                    }
            })
    }
}
