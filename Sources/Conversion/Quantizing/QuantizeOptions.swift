import Storage
import Tensors

/// Options for the conversion of a checkpoint to a container.
public struct QuantizeOptions: Sendable {
    /// Which tensors are compressed.
    public enum Profile: String, Sendable, CaseIterable {
        /// Matrices that every token needs are not compressed, so that kernels run from the mapped file. The rest is
        /// compressed.
        case fast
        /// Everything is compressed that gets at least 3 % smaller.
        case small
    }

    /// The type of some tensors.
    public struct Override: Sendable, Hashable, CustomStringConvertible {
        /// The names of the tensors: `*` matches any text, `?` one character.
        public let pattern: String
        /// Their type.
        public let encoding: TensorEncoding

        /// Reads `PATTERN=TYPE`.
        ///
        /// - Throws: `quantize.override` for anything else.
        public init(parsing text: String) throws {
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
        public var description: String { "\(pattern)=\(encoding)" }
    }

    /// The type of the linear matrices.
    public var type: TensorEncoding
    /// Exceptions by name. The last match wins.
    public var overrides: [Override]
    /// Which tensors are compressed.
    public var profile: Profile
    /// A text that importance is measured with; nil for random tokens.
    public var calibration: Calibration?
    /// The number of threads, which does not affect the bytes of the file.
    public var threadCount: Int
    /// The name and version of the program, for the file's provenance.
    public var tool: (name: String, version: String)

    /// Creates options.
    public init(
        type: TensorEncoding = .q4, overrides: [Override] = [], profile: Profile = .fast,
        calibration: Calibration? = nil, threadCount: Int = 1, tool: (name: String, version: String) = ("pvit", "0")
    ) {
        self.type = type
        self.overrides = overrides
        self.profile = profile
        self.calibration = calibration
        self.threadCount = threadCount
        self.tool = tool
    }

    /// The types that can be chosen, for messages.
    public static let typeNames = "q4, q8, f16, bf16, f32"

    /// The type called `name`, or nil if it cannot be chosen.
    public static func encoding(named name: String) -> TensorEncoding? {
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
