import ArgumentParser
import Container
import LanguageModel
import PVITModel
import Storage
import SystemPackage
import Tensors
import Tokenization

/// `pvit tokenize`: a text as the tokens of a model.
struct Tokenize: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the tokens of a text.",
        discussion: """
            Special tokens in the text are recognised unless --plain is given, and the token that begins a text is put before \
            it unless it is there already, as with run --raw. A TEXT of - is read from standard input.

            Text is shown in quotation marks, with escapes as in Swift (\\n, \\u{200b}); bytes that are only a part of a \
            character as <0xE2>; special tokens without quotation marks. Tokens that the model has no embedding of are marked.

            Examples:
              pvit tokenize smollm2.pvq "Hello, world"
              pvit tokenize smollm2.pvq --json - < emma.txt
            """)

    @Argument(help: "The model: a .pvq file.")
    var file: FilePath

    @Argument(help: "The text, or - for standard input.")
    var text: String

    @Flag(help: "Take special tokens in the text as ordinary text.")
    var plain = false

    @Flag(help: "Leave out the token that begins a text.")
    var noBeginning = false

    @Flag(help: "Print JSON: ids, pieces as the vocabulary spells them, and texts (null for parts of characters).")
    var json = false

    func run() throws {
        let container = try withContainer(at: file) { try Container(opening: file) }
        let tokenizer: Tokenizer
        let rows: Int
        do {
            rows = try container.modelConfig["vocab_size"]?.integer ?? .max
            tokenizer = try Tokenizer(files: TokenizerFiles(of: container, container.metadata))
        } catch let error as PVITError {
            throw error.located(file: file)
        }
        let bytes = text == "-" ? try readStandardInput() : Array(text.repairingFileNameBytes.utf8)
        let ids =
            noBeginning || plain
            ? tokenizer.encode(bytes: bytes, addSpecial: !noBeginning, parseSpecial: !plain)
            : tokenizer.encode(prompt: bytes)
        if json {
            try StandardOutput.write(json: [
                "ids": .array(ids.map { .integer(Int($0.rawValue)) }),
                "pieces": .array(ids.map { .string(tokenizer.piece(of: $0) ?? "") }),
                "texts": .array(
                    ids.map { id in
                        let bytes = tokenizer.bytes(of: id) ?? []
                        return String(validating: bytes, as: UTF8.self).map { .string($0) } ?? .null
                    }),
                "special": .array(ids.map { .bool(tokenizer.isSpecial($0)) }),
            ])
        } else {
            var table = TextTable([("id", .right), ("kind", .left), ("text", .left)])
            for id in ids {
                let kind = kind(of: id, in: tokenizer) + (Int(id.rawValue) < rows ? "" : ", no embedding")
                table.add(["\(id)", kind, text(of: id, in: tokenizer)])
            }
            try StandardOutput.write(table.text)
        }
    }

    private func kind(of id: TokenID, in tokenizer: Tokenizer) -> String {
        if tokenizer.isSpecial(id) { return "special" }
        if tokenizer.isAdded(id) { return "added" }
        return tokenizer.isByte(id) ? "byte" : "text"
    }

    private func text(of id: TokenID, in tokenizer: Tokenizer) -> String {
        let bytes = tokenizer.bytes(of: id) ?? []
        if tokenizer.isByte(id) { return readableBytes(bytes) }
        let text = readableText(bytes)
        return tokenizer.isSpecial(id) ? String(text.dropFirst().dropLast()) : text
    }
}
