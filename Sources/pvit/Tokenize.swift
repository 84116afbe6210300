import ArgumentParser
import Container
import PVITModel
import SystemPackage
import Tensors
import Tokenization

/// `pvit tokenize`: a text as the tokens of a model.
struct Tokenize: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the tokens of a text.",
        discussion: """
            Special tokens in the text are recognised unless --plain is given. A TEXT of - is read from standard input.

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

    @Flag(help: "Print JSON: ids and pieces.")
    var json = false

    func run() throws {
        let container = try withContainer(at: file) { try Container(opening: file) }
        let tokenizer: Tokenizer
        do {
            tokenizer = try Tokenizer(files: TokenizerFiles(of: container, container.metadata))
        } catch let error as PVITError {
            throw error.located(file: file)
        }
        let bytes = text == "-" ? try readStandardInput() : Array(text.utf8)
        let ids = tokenizer.encode(bytes: bytes, addBeginning: !noBeginning, recogniseSpecial: !plain)
        if json {
            try StandardOutput.write(json: [
                "ids": .array(ids.map { .integer(Int($0.rawValue)) }),
                "pieces": .array(ids.map { .string(tokenizer.piece(of: $0) ?? "") }),
            ])
        } else {
            var table = TextTable([("id", .right), ("piece", .left)])
            for id in ids { table.add(["\(id)", (tokenizer.piece(of: id) ?? "").escapingControlCharacters]) }
            try StandardOutput.write(table.text)
        }
    }
}
