import Container
import Storage
import Tensors

/// How far a fine-tune moved one layer, or a component outside the layers, from the base.
package struct LayerChange: Sendable {
    /// The number of the layer, or the name of the component.
    package let title: String
    /// The change of each component of a layer; empty outside the layers.
    package let components: [ModelComponent: ModelChange]
    /// The change of all.
    package let total: ModelChange
}

extension ModelReport {
    /// Creates the report on a packed delta.
    ///
    /// - Throws: The errors of reading its index and metadata.
    init(of delta: PackedDelta) throws {
        try self.init(of: delta.container)
        format = "pvit packed delta, container version \(delta.container.version)"
        changes = delta.changes
        let total = delta.changes.values.reduce(into: ModelChange()) { $0.merge($1) }
        let origin: [Fact] = [
            Fact(name: "base", value: delta.baseName ?? "not named"),
            Fact(
                name: "moved",
                value: "\(total.normText) of the base's norm, \(total.unchangedText) of the numbers unchanged"),
        ]
        facts.insert(contentsOf: origin, at: 0)
        cannotRun = nil
        notes = ["this is a packed delta: merge it with its base, or quantize the base with --delta"]
    }

    /// The changes of the components outside the layers before them, of the layers, and of the components after them.
    package var layerChanges: [LayerChange] {
        var layers: [Int: [ModelComponent: ModelChange]] = [:]
        var others: [ModelComponent: ModelChange] = [:]
        for (name, change) in changes.sorted(by: { $0.key < $1.key }) {
            let component = ModelComponent(name)
            if let layer = layerNumber(name) {
                layers[layer, default: [:]][component, default: ModelChange()].merge(change)
            } else {
                others[component, default: ModelChange()].merge(change)
            }
        }
        func outside(_ components: [ModelComponent]) -> [LayerChange] {
            components.compactMap { component in
                others[component].map { LayerChange(title: component.rawValue, components: [:], total: $0) }
            }
        }
        let inside = layers.sorted { $0.key < $1.key }.map { layer, components in
            let ordered = ModelComponent.allCases.compactMap { components[$0] }
            return LayerChange(
                title: "layer \(layer)", components: components,
                total: ordered.reduce(into: ModelChange()) { $0.merge($1) })
        }
        return outside([.embeddings]) + inside + outside(ModelComponent.allCases.filter { $0 != .embeddings })
    }

    /// The changes as JSON.
    var changesJSON: JSONValue {
        .array(
            layerChanges.map { row in
                var object: JSONObject = ["layer": .string(row.title)]
                for component in ModelComponent.allCases {
                    if let change = row.components[component] { object[component.rawValue] = Self.json(change) }
                }
                object["all"] = Self.json(row.total)
                return .object(object)
            })
    }

    private static func json(_ change: ModelChange) -> JSONValue {
        [
            "relative_norm": change.relativeNorm.map(JSONValue.number) ?? .null,
            "unchanged_share": change.unchangedShare.map(JSONValue.number) ?? .null,
            "elements": .integer(change.count),
        ]
    }
}

/// The number after `layers.` in a tensor's name, or nil.
func layerNumber(_ name: TensorName) -> Int? {
    let fields = name.rawValue.split(separator: ".")
    guard let index = fields.firstIndex(of: "layers"), index + 1 < fields.count else { return nil }
    return Int(fields[index + 1])
}

extension ModelChange {
    /// The relative norm in per cent.
    package var normText: String {
        guard let norm = relativeNorm else { return "-" }
        return norm == 0 ? "0%" : "\(significant(norm * 100))%"
    }

    /// The share of unchanged elements in per cent.
    package var unchangedText: String { unchangedShare.map { "\(($0 * 100).formatted(decimals: 1))%" } ?? "-" }
}
