import Checkpoints
import Quantization
import Storage
import SystemPackage
import Tensors
import Tokenization

/// A text that a model reads while it is encoded, which tells which columns of its matrices matter.
public struct Calibration: Sendable {
    /// The largest text that is taken.
    private static let maximumByteCount = 64 << 20
    /// The name of the file, without its folder.
    public let name: String
    private let text: [UInt8]

    /// Reads a text file.
    ///
    /// - Throws: `quantize.calibration` for a file that is too large, `text.encoding`, and `file.*` errors.
    public init(path: FilePath) throws {
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
    func tokens(for checkpoint: Checkpoint) throws -> ProbeTokens {
        let tokenizer = try Tokenizer(files: TokenizerFiles(of: checkpoint.sideFiles))
        let ids = tokenizer.encode(bytes: text, addSpecial: false, parseSpecial: false)
        let beginning = tokenizer.tokensBeforeText.first
        let tokens = try ProbeTokens(
            text: ids.map { Int($0.rawValue) }, beginning: beginning.map { Int($0.rawValue) })
        if let rows = checkpoint.config?["vocab_size"]?.integer, let id = tokens.ids.first(where: { $0 >= rows }) {
            let piece = TokenID(exactly: id).flatMap { tokenizer.piece(of: $0) } ?? ""
            throw PVITError(
                .badCalibration,
                "the calibration text has the token \"\(piece)\", number \(id), but the model's embeddings have only "
                    + "\(rows) rows",
                remedy: "leave it out of the text")
        }
        return tokens
    }

    /// What the container's recipe says of the text.
    var record: JSONValue {
        ["path": .string(name), "bytes": .integer(text.count), "sha256": .string(SHA256.digest(of: text).description)]
    }
}
