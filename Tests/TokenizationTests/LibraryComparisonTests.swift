import Foundation
import TestSupport
import Testing
import Tokenization

@Suite("Against the sentencepiece and tokenizers libraries", .slow, .needsPython)
struct LibraryComparisonTests {
    private static let size = 1_000_000
    /// The size of the text, in bytes, for tokenizers whose components other tests cover at full size.
    private static let smallSize = 100_000

    private func fixture(_ name: String) throws -> String {
        try #require(Bundle.module.resourceURL).appendingPathComponent("Fixtures/\(name)").path
    }

    private func tokenizer(_ path: String) throws -> Tokenizer {
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        if path.hasSuffix(".model") { return try Tokenizer(sentencePieceModel: bytes) }
        return try Tokenizer(tokenizerJSON: bytes)
    }

    @Test("LLaMA's tokenizer.model agrees with sentencepiece on 1 MB of mixed text")
    func sentencePiece() throws {
        let path = try fixture("tokenizer.model")
        try PythonLibraries.compare(tokenizer(path), with: path, size: Self.size)
        try PythonLibraries.compare(tokenizer(path), with: path, size: Self.smallSize, options: ["--word"])
    }

    @Test(
        "LLaMA's tokenizer as tokenizer.json gives the library's ids and texts",
        arguments: [([], size), (["--metaspace"], smallSize)])
    func llamaJSON(options: [String], size: Int) throws {
        let model = try fixture("tokenizer.model")
        try PythonLibraries.run("convert", [model] + options, output: "tokenizer.json") { path in
            try PythonLibraries.compare(tokenizer(path), with: path, size: size)
        }
    }

    @Test(
        "a tokenizer.json of each kind agrees with the library",
        arguments: [
            ("gpt2", smallSize), ("gpt2-prefix", smallSize), ("smollm", smallSize), ("llama3", size),
            ("qwen2", smallSize),
            ("metaspace-split", smallSize), ("added", smallSize), ("unknown", smallSize), ("bytes-partly", smallSize),
        ])
    func trained(kind: String, size: Int) throws {
        try PythonLibraries.run("train", [kind], output: "tokenizer.json") { path in
            try PythonLibraries.compare(tokenizer(path), with: path, size: size)
            try PythonLibraries.compare(tokenizer(path), with: path, size: Self.smallSize, options: ["--word"])
        }
    }

    @Test("other tokenizer files agree with the library", arguments: PythonLibraries.moreFiles)
    func more(path: String) throws {
        try PythonLibraries.compare(tokenizer(path), with: path, size: Self.size)
        try PythonLibraries.compare(tokenizer(path), with: path, size: Self.size, options: ["--word"])
    }
}
