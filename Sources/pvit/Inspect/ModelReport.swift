import Tensors

/// What is known of a model file or folder, however it is shown: as text, as JSON or as a page.
struct ModelReport {
    /// A named fact, such as ("layers", "32").
    struct Fact {
        let name: String
        let value: String
    }

    /// What a tensor is and takes.
    struct TensorRow {
        let name: TensorName
        let part: ModelPart
        /// The name of the type that it is stored in: `q4`, `f16`, GGUF's `Q4_K`.
        let encoding: String
        let shape: Shape
        /// The size in the file.
        let storedBytes: UInt64
        /// The size before compression.
        let decodedBytes: UInt64
        /// How far the encoded weights are from the original ones; nil when that is unknown.
        let statistics: ErrorStatistics?
        /// The tensor whose data this one shares.
        let aliasOf: TensorName?
    }

    /// A file that the model was made of, or consists of.
    struct SourceRow {
        let path: String
        /// What it is for where the model was made of several: `base`, `delta`, …
        let role: String?
        let bytes: UInt64
        let sha256: String?
    }

    /// The sum of some rows.
    struct Total {
        let tensors: Int
        let elements: Int
        let storedBytes: UInt64
        let decodedBytes: UInt64
        let encodings: [String]
        let statistics: ErrorStatistics?

        init(_ rows: some Sequence<TensorRow>) {
            let rows = rows.filter { $0.aliasOf == nil }
            tensors = rows.count
            elements = rows.reduce(0) { $0 + $1.shape.elementCount }
            storedBytes = rows.reduce(0) { $0 + $1.storedBytes }
            decodedBytes = rows.reduce(0) { $0 + $1.decodedBytes }
            encodings = Array(Set(rows.map(\.encoding))).sorted()
            let known = rows.compactMap(\.statistics)
            statistics = known.isEmpty ? nil : known.reduce(into: ErrorStatistics()) { $0.merge($1) }
        }

        /// Stored bits for each element; nil when there are no elements.
        var bitsPerWeight: Double? {
            elements > 0 ? Double(storedBytes) * 8 / Double(elements) : nil
        }

        /// The share of the decoded size that is stored.
        var compression: Double? {
            decodedBytes > 0 ? Double(storedBytes) / Double(decodedBytes) : nil
        }
    }

    /// The file or folder, as the user named it.
    var path: String
    /// What it is, such as `pvit container` or `Hugging Face folder, safetensors, 2 shards`.
    var format: String
    /// The size of everything.
    var fileBytes: UInt64
    /// What is known of the architecture and the origin.
    var facts: [Fact]
    /// All tensors.
    var tensors: [TensorRow]
    /// The files it was made of (a container) or consists of (a folder).
    var sources: [SourceRow]
    /// What keeps the model from being run, as a sentence; nil if nothing does.
    var cannotRun: String?
    /// What a user should know, such as that this looks like a delta.
    var notes: [String]

    /// The totals of the parts that there are.
    var parts: [(part: ModelPart, total: Total)] {
        ModelPart.allCases.compactMap { part in
            let rows = tensors.filter { $0.part == part }
            return rows.allSatisfy { $0.aliasOf != nil } ? nil : (part, Total(rows))
        }
    }

    /// The total of all weights, attached files left out.
    var parameters: Total { Total(tensors.filter { $0.part != .attachments }) }
}
