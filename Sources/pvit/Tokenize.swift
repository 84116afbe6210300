import ArgumentParser
import Container
import LanguageModel
import PVITModel
import Storage
import SystemPackage
import Tensors
import Tokenization

/// `pvit tokenize`: shows how a model tokenizes a text.
struct Tokenize: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the tokens of a text.",
        discussion: """
            As in run --raw, special tokens in the text are parsed unless --plain is given, and BOS is added unless \
            the text begins with it. If TEXT is -, the text is read from standard input.

            Text is shown in quotation marks, with escapes as in Swift (\\n, \\u{200b}); bytes that are not a whole \
            character are shown as <0xE2>; special tokens have no quotation marks. Tokens without an embedding are \
            marked.

            Examples:
              pvit tokenize smollm2.pvq "Hello, world"
              pvit tokenize smollm2.pvq --json - < emma.txt
            """)

    @Argument(help: "The model: a .pvq file.")
    var file: FilePath

    @Argument(help: "The text, or - for standard input.")
    var text: String

    @Flag(help: "Do not parse special tokens: take them as plain text.")
    var plain = false

    @Flag(help: "Do not add BOS.")
    var noBeginning = false

    @Flag(help: "Print JSON: ids, pieces as the vocabulary spells them, and texts (null for incomplete characters).")
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
