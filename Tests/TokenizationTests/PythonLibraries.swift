import Foundation
import Storage
import Tensors
import TestSupport
import Testing
import Tokenization

/// Runs tools/compare_tokenizers.py, which asks `sentencepiece` and `tokenizers`.
enum PythonLibraries {
    /// More tokenizer files to compare, from `PVIT_TEST_TOKENIZERS`: paths separated by colons.
    static var moreFiles: [String] {
        (ProcessInfo.processInfo.environment["PVIT_TEST_TOKENIZERS"] ?? "").split(separator: ":").map(String.init)
    }

    /// Runs a subcommand of the tool with an output file in a new temporary folder, and passes the file's path to
    /// `body`.
    static func run<Result>(
        _ verb: String, _ arguments: [String], output: String, then body: (String) throws -> Result
    ) throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("pvit-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appendingPathComponent(output).path
        let tool = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("tools/compare_tokenizers.py")
        _ = try Python.output(of: [tool.path, verb] + arguments.prefix(1) + [path] + arguments.dropFirst())
        return try body(path)
    }

    /// Compares a tokenizer with the library on `size` bytes of mixed text and on many short texts.
    static func compare(_ tokenizer: Tokenizer, with path: String, size: Int, options: [String] = []) throws {
        let arguments = [path, "--bytes", "\(size)"] + options
        let reference = try run("reference", arguments, output: "reference.json") { output in
            try JSONValue(parsing: [UInt8](Data(contentsOf: URL(fileURLWithPath: output))))
        }
        let encoded = try #require(reference["encode"]?.array)
        let decoded = try #require(reference["decode"]?.array)
        #expect(!encoded.isEmpty && decoded.count == 400)
        for golden in encoded {
            let text = try #require(golden["text"]?.string)
            let ids = try #require(golden["ids"]?.ids)
            expectEqual(tokenizer.encode(text), ids, in: tokenizer, of: text)
            expectEqual(tokenizer.decode(ids), golden["decoded"]?.string, of: ids)
        }
        for golden in decoded {
            let ids = try #require(golden["ids"]?.ids)
            for (skipSpecial, key) in [(true, "text"), (false, "text_all")] {
                expectEqual(tokenizer.decode(ids, skipSpecial: skipSpecial), golden[key]?.string, of: ids)
                expectEqual(tokenizer.streamed(ids, skipSpecial: skipSpecial), golden[key]?.string, of: ids)
            }
        }
        for golden in try #require(reference["bytes"]?.array) {
            let bytes = (golden["bytes"]?.array ?? []).compactMap { $0.integer.map { UInt8(truncatingIfNeeded: $0) } }
            #expect(tokenizer.encode(bytes: bytes) == golden["ids"]?.ids, "\(bytes)")
        }
    }

    /// Compares ids, and shows the context of the first difference.
    private static func expectEqual(_ ids: [TokenID], _ expected: [TokenID], in tokenizer: Tokenizer, of text: String) {
        guard ids != expected else { return }
        let place = zip(ids, expected).prefix { $0 == $1 }.count
        let surroundings = { (list: [TokenID]) in
            list.dropFirst(max(0, place - 4)).prefix(10).map { "\($0) \(tokenizer.piece(of: $0).debugDescription)" }
        }
        Issue.record(
            """
            token \(place) of \(text.unicodeScalars.prefix(40).map { $0.escaped(asASCII: true) }.joined()):
            \(surroundings(ids)) is not
            \(surroundings(expected))
            """)
    }

    private static func expectEqual(_ text: String, _ expected: String?, of ids: [TokenID]) {
        guard Array(text.utf8) != Array((expected ?? "").utf8) else { return }
        Issue.record(
            "\(ids.prefix(40)) gave \(text.prefix(200).debugDescription), not \((expected ?? "").prefix(200).debugDescription)"
        )
    }
}
