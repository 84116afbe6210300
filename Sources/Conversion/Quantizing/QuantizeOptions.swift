import Storage
import Tensors

/// Options for the conversion of a checkpoint to a container.
package struct QuantizeOptions: Sendable {
    /// Which tensors are compressed.
    package enum Profile: String, Sendable, CaseIterable {
        /// Matrices that every token needs are not compressed, so that kernels run from the mapped file. The rest is
        /// compressed.
        case fast
        /// Everything is compressed that gets at least 3 % smaller.
        case small
    }

    /// The type of the matrices and convolutions of image encoders.
    package enum TowerType: String, Sendable, CaseIterable {
        /// 16-bit floats.
        case f16
        /// 8-bit blocks, multiplied with 16-bit activations; 16-bit floats where pixels are read and features made.
        case q8
        /// 32-bit floats.
        case f32
    }

    /// The type of some tensors.
    package struct Override: Sendable, Hashable, CustomStringConvertible {
        /// The names of the tensors: `*` matches any text, `?` one character.
        package let pattern: String
        /// Their type.
        package let encoding: TensorEncoding

        /// Reads `PATTERN=TYPE`.
        ///
        /// - Throws: `quantize.override` for anything else.
        package init(parsing text: String) throws {
            guard let equals = text.lastIndex(of: "="), equals > text.startIndex,
                let encoding = QuantizeOptions.encoding(named: String(text[text.index(after: equals)...]))
            else {
                throw PVITError(
                    .badOverride, "\"\(text)\" is not PATTERN=TYPE",
                    remedy: "write it like 'model.layers.0.*=q8'; types are \(QuantizeOptions.typeNames)")
            }
            pattern = String(text[..<equals])
            self.encoding = encoding
        }

        /// `PATTERN=TYPE`.
        package var description: String { "\(pattern)=\(encoding)" }
    }

    /// A mean number of bits per weight.
    package struct BitTarget: Sendable {
        /// The target, for the matrices of the language model whose type no override chooses.
        package let bitsPerWeight: Double
        /// The memory that measuring sensitivities may use; nil for what the machine has available.
        package let memory: ByteCount?

        package init(bitsPerWeight: Double, memory: ByteCount? = nil) {
            self.bitsPerWeight = bitsPerWeight
            self.memory = memory
        }
    }

    /// The type of the linear matrices.
    package var type: TensorEncoding
    /// The type of the image encoders' matrices and convolutions; nil for f32 with type f32, q8 if they come from a
    /// container that has them in q8, and otherwise f16.
    package var towerType: TowerType?
    /// Exceptions by name. The last match wins.
    package var overrides: [Override]
    /// A mean number of bits per weight to reach with q4 and q8; nil if all matrices have one type.
    package var bits: BitTarget?
    /// Which tensors are compressed.
    package var profile: Profile
    /// Where the importance of columns comes from.
    package var importance: ImportanceSource
    /// The number of threads, which does not affect the bytes of the file.
    package var threadCount: Int
    /// The name and version of the program, for the file's provenance.
    package var tool: (name: String, version: String)

    /// Creates options.
    package init(
        type: TensorEncoding = .q4, towerType: TowerType? = nil, overrides: [Override] = [], bits: BitTarget? = nil,
        profile: Profile = .fast,
        importance: ImportanceSource = .randomTokens, threadCount: Int = 1,
        tool: (name: String, version: String) = ("pvit", "0")
    ) {
        self.type = type
        self.towerType = towerType
        self.overrides = overrides
        self.bits = bits
        self.profile = profile
        self.importance = importance
        self.threadCount = threadCount
        self.tool = tool
    }

    /// The types that can be chosen, for messages.
    package static let typeNames = "q4, q8, f16, bf16, f32"

    /// The type called `name`, or nil if it cannot be chosen.
    package static func encoding(named name: String) -> TensorEncoding? {
        switch name {
        case "q4": .q4
        case "q8": .q8
        case "f16": .plain(.f16)
        case "bf16": .plain(.bf16)
        case "f32": .plain(.f32)
        default: nil
        }
    }
}
