import Checkpoints
import Quantization
import Storage
import SystemPackage
import Tensors
import Tokenization

/// A text that importance is measured with: a model reads it while it is encoded.
package struct Calibration: Sendable {
    /// The largest supported text.
    private static let maximumByteCount = 64 << 20
    /// The name of the file, without its folder.
    package let name: String
    private let text: [UInt8]

    /// Reads a text file.
    ///
    /// - Throws: `quantize.calibration` for a file that is too large, `text.encoding`, and `file.*` errors.
    package init(path: FilePath) throws {
        let file = try MappedFile(path: path)
        guard file.byteCount <= Self.maximumByteCount else {
            throw PVITError(
                .badCalibration, "the calibration text has \(file.byteCount) bytes", file: path,
                remedy: "give a text of at most \(Self.maximumByteCount) bytes; a few pages are enough")
        }
        name = path.name.escapingControlCharacters
        text = try file.withBytes(0..<file.byteCount) { try $0.copyBytes(0..<$0.byteCount) }
        do {
            try TextEncoding.requireUTF8(text)
        } catch let error as PVITError { throw error.located(file: path) }
    }

    /// The tokens of the text, by the tokenizer of a checkpoint.
    ///
    /// - Throws: `quantize.calibration` for a text that is too short or has a token that the embeddings have no row
    ///   for, and the errors of tokenizer files.
    func tokens(for checkpoint: Checkpoint) throws -> CalibrationTokens {
        let tokenizer = try Tokenizer(files: TokenizerFiles(of: checkpoint.sideFiles))
        let ids = tokenizer.encode(bytes: text, addSpecial: false, parseSpecial: false)
        let beginning = tokenizer.tokensBeforeText.first
        let tokens = try CalibrationTokens(
            text: ids.map { Int($0.rawValue) }, beginning: beginning.map { Int($0.rawValue) })
        if let rows = checkpoint.config?["vocab_size"]?.integer, let id = tokens.ids.first(where: { $0 >= rows }) {
            let piece = TokenID(exactly: id).flatMap { tokenizer.piece(of: $0) } ?? ""
            throw PVITError(
                .badCalibration,
                "the calibration text has the token \"\(piece)\", number \(id), but the model's embeddings have only "
                    + "\(rows) rows",
                remedy: "remove it from the text")
        }
        return tokens
    }

    /// The description of the text in the container's recipe.
    var record: JSONValue {
        ["path": .string(name), "bytes": .integer(text.count), "sha256": .string(SHA256.digest(of: text).description)]
    }
}
