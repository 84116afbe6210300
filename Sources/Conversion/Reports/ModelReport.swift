import Storage
import Tensors

/// A description of a model file or folder, to be shown as text, JSON or HTML.
package struct ModelReport: Sendable {
    /// A named fact, such as ("layers", "32").
    package struct Fact: Sendable {
        package let name: String
        package let value: String

        package init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    /// A tensor.
    package struct TensorRow: Sendable {
        package let name: TensorName
        package let component: ModelComponent
        /// The type in which the tensor is stored: `q4`, `f16`, GGUF's `Q4_K`.
        package let encoding: String
        package let shape: Shape
        /// The size in the file.
        package let storedBytes: UInt64
        /// The size before compression.
        package let decodedBytes: UInt64
        /// The error of the encoded weights; nil if it is unknown.
        package let statistics: ErrorStatistics?
        /// The tensor whose data this one shares.
        package let aliasOf: TensorName?
        /// SHA-256 of the decoded content; nil if it is not recorded.
        package var contentDigest: Digest?

        /// Whether this is a weight of its own: no alias and no attached file.
        package var isWeight: Bool { aliasOf == nil && component != .attachments }
    }

    /// A file that the model was made from, or consists of.
    package struct SourceRow: Sendable {
        package let path: String
        /// The role of the file if the model was made from several: `base`, `delta`, …
        package let role: String?
        package let bytes: UInt64
        package let sha256: String?
    }

    /// Totals over some tensors.
    package struct Total: Sendable {
        package let tensors: Int
        package let elements: Int
        package let storedBytes: UInt64
        package let decodedBytes: UInt64
        package let encodings: [String]
        package let statistics: ErrorStatistics?

        package init(_ rows: some Sequence<TensorRow>) {
            let rows = rows.filter { $0.aliasOf == nil }
            tensors = rows.count
            elements = rows.reduce(0) { $0 + $1.shape.elementCount }
            storedBytes = rows.reduce(0) { $0 + $1.storedBytes }
            decodedBytes = rows.reduce(0) { $0 + $1.decodedBytes }
            encodings = Array(Set(rows.map(\.encoding))).sorted()
            let known = rows.compactMap(\.statistics)
            statistics = known.isEmpty ? nil : known.reduce(into: ErrorStatistics()) { $0.merge($1) }
        }

        /// The stored bits per element; nil if there are no elements.
        package var bitsPerWeight: Double? {
            elements > 0 ? Double(storedBytes) * 8 / Double(elements) : nil
        }

        /// The stored size as a share of the decoded size.
        package var compression: Double? {
            decodedBytes > 0 ? Double(storedBytes) / Double(decodedBytes) : nil
        }
    }

    /// The file or folder, as the user named it.
    package var path: String
    /// The format, such as `pvit container, version 1` or `2 safetensors shards`.
    package var format: String
    /// The total size of the files.
    package var fileBytes: UInt64
    /// Facts about the architecture and the origin.
    package var facts: [Fact]
    /// All tensors.
    package var tensors: [TensorRow]
    /// The files that a container was made from, or that a folder consists of.
    package var sources: [SourceRow]
    /// The reason why the model cannot run; nil if it can.
    package var cannotRun: String?
    /// Notes, such as that this looks like a delta.
    package var notes: [String]
    /// Of a packed delta: how far each tensor was moved from the base.
    package var changes: [TensorName: ModelChange] = [:]
    /// Of a container: the digest of all weights.
    package var modelDigest: Digest?
    /// Of a container: the options that it was made with.
    package var recipe: JSONObject?
    /// How sensitive the model's predictions are to each matrix; nil if it is not recorded.
    package var sensitivity: Sensitivities?

    /// The totals of the components that the model has.
    package var components: [(component: ModelComponent, total: Total)] {
        ModelComponent.allCases.compactMap { component in
            let rows = tensors.filter { $0.component == component }
            return rows.allSatisfy { $0.aliasOf != nil } ? nil : (component, Total(rows))
        }
    }

    /// Which types to change: nil if no matrix is in q4 or q8.
    package var typeAdvice: TypeAdvice? {
        let matrices = tensors.compactMap { row -> TypeAdvice.Matrix? in
            guard row.isWeight, let encoding = TensorEncoding(row.encoding) else { return nil }
            return TypeAdvice.Matrix(
                name: row.name, encoding: encoding, shape: row.shape, statistics: row.statistics)
        }
        guard matrices.contains(where: \.encoding.isQuantized) else { return nil }
        return TypeAdvice(
            on: matrices, sensitivity: sensitivity, byteCount: parameters.storedBytes,
            weightCount: parameters.elements)
    }

    /// The total of all weights, without attached files.
    package var parameters: Total { Total(tensors.filter { $0.component != .attachments }) }
}
