import Architectures
import Checkpoints
import Platform
import Quantization
import Storage
import SystemPackage
import Tensors
import Tokenization

/// The texts that a model reads while it is quantized, so that its weights make up for each other's rounding
/// (`SecondOrderCalibration`).
package struct Calibration: Sendable {
    /// A text.
    private struct Text: Sendable {
        /// The name of the file, without its folder; `default` for the built-in text.
        let name: String
        let bytes: [UInt8]
    }

    /// The largest supported text.
    private static let maximumByteCount = 64 << 20
    /// The largest sample.
    package static let maximumTokenCount = 1 << 20
    /// How many tokens of the texts are read at most.
    package let tokenCount: Int
    /// The memory that calibration may use; nil for what the machine has available.
    let memory: ByteCount?
    /// Whether to continue a calibration of the same output that was stopped.
    let resumes: Bool
    private let texts: [Text]

    /// Reads text files.
    ///
    /// - Parameters:
    ///   - names: The files; `default` stands for the built-in text, and `./default` for a file of that name.
    ///   - tokenCount: How many tokens of the texts are read at most.
    /// - Throws: `quantize.calibration` for a file that is too large, `text.encoding`, and `file.*` errors.
    package init(
        _ names: [FilePath], tokenCount: Int = CalibrationTokens.defaultCount, memory: ByteCount? = nil,
        resumes: Bool = false
    ) throws {
        self.tokenCount = tokenCount
        self.memory = memory
        self.resumes = resumes
        texts = try names.map { name in
            Self.isBuiltIn(name)
                ? Text(name: name.text, bytes: DefaultCalibration.text)
                : Text(name: name.name.escapingControlCharacters, bytes: try Self.read(name))
        }
    }

    /// The built-in text.
    package static func builtIn() throws -> Calibration { try Calibration(["default"]) }

    /// Whether a name stands for the built-in text.
    package static func isBuiltIn(_ name: FilePath) -> Bool { name.text == "default" }

    private static func read(_ path: FilePath) throws -> [UInt8] {
        let file = try MappedFile(path: path)
        guard file.byteCount <= maximumByteCount else {
            throw PVITError(
                .badCalibration, "the calibration text has \(file.byteCount) bytes", file: path,
                remedy: "give a text of at most \(maximumByteCount) bytes; a few pages are enough")
        }
        let text = try file.withBytes(0..<file.byteCount) { try $0.copyBytes(0..<$0.byteCount) }
        do {
            try TextEncoding.requireUTF8(text)
        } catch let error as PVITError { throw error.located(file: path) }
        return text
    }

    /// A sample of the texts, by the tokenizer of a checkpoint.
    ///
    /// - Throws: `quantize.calibration` for a text that is too short or has a token that the embeddings have no row
    ///   for, and the errors of tokenizer files.
    func tokens(for checkpoint: Checkpoint, _ configuration: LlamaConfiguration) throws -> CalibrationTokens {
        try sample(for: checkpoint, configuration) { texts, beginning in
            try CalibrationTokens(
                texts: texts, beginning: beginning, vocabulary: configuration.vocabularySize, count: tokenCount,
                positions: configuration.trainedPositions)
        }
    }

    /// A small sample of the texts, which measures sensitivities.
    ///
    /// - Throws: As `tokens`.
    func briefTokens(for checkpoint: Checkpoint, _ configuration: LlamaConfiguration) throws -> CalibrationTokens {
        try sample(for: checkpoint, configuration) { texts, beginning in
            try CalibrationTokens.brief(texts: texts, beginning: beginning, positions: configuration.trainedPositions)
        }
    }

    private func sample(
        for checkpoint: Checkpoint, _ configuration: LlamaConfiguration,
        _ choose: (_ texts: [[Int]], _ beginning: Int?) throws -> CalibrationTokens
    ) throws -> CalibrationTokens {
        let tokenizer = try Tokenizer(files: TokenizerFiles(of: checkpoint.sideFiles))
        let tokens = try choose(
            texts.map { text in
                tokenizer.encode(bytes: text.bytes, addSpecial: false, parseSpecial: false).map { Int($0.rawValue) }
            }, tokenizer.tokensBeforeText.first.map { Int($0.rawValue) })
        if let id = tokens.ids.first(where: { $0 >= configuration.vocabularySize }) {
            let piece = TokenID(exactly: id).flatMap { tokenizer.piece(of: $0) } ?? ""
            throw PVITError(
                .badCalibration,
                "the calibration text has the token \"\(piece)\", number \(id), but the model's embeddings have only "
                    + "\(configuration.vocabularySize) rows",
                remedy: "remove it from the text")
        }
        return tokens
    }

    /// Checks that work may use the memory that it needs.
    ///
    /// - Parameters:
    ///   - limit: What it may use; nil for what the machine has available.
    ///   - purpose: The work.
    ///   - remedy: How it needs no more than a number of bytes.
    /// - Throws: `calibrate.memory`.
    static func requireMemory(_ needed: UInt64, limit: ByteCount?, purpose: String, remedy: (UInt64) -> String) throws {
        guard let available = limit?.rawValue ?? MachineMemory.availableByteCount, needed > available else { return }
        throw PVITError(
            .calibrationMemory,
            "\(purpose) needs \(ByteCount(needed)) of memory and may use \(ByteCount(available))",
            remedy: remedy(available) + (limit == nil ? "" : ", or allow more --memory"))
    }

    /// The description of the texts in the container's recipe.
    var record: JSONValue {
        [
            "texts": .array(
                texts.map { text in
                    [
                        "path": .string(text.name), "bytes": .integer(text.bytes.count),
                        "sha256": .string(SHA256.digest(of: text.bytes).description),
                    ]
                }), "tokens": .integer(tokenCount),
        ]
    }
}
