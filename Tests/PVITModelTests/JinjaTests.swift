import TestSupport
import CheckpointTestSupport
import Foundation
import Storage
import Testing

@testable import PVITModel

@Suite("The template language")
struct JinjaTests {
    /// The variables of tools/compare_jinja.py.
    private static let variables: JSONObject = [
        "a": 7, "b": -3, "z": 0, "f": 2.5, "g": -0.125, "s": " Some text\n", "u": "Ünï ΣΑΣ ß\u{2028}ǆx", "e": "",
        "yes": true, "no": .null, "w": "one two  three", "k": "n", "list": [3, 1, 2], "words": ["b", "A", "c", "a"],
        "mixed": [1, "two", [3], .null], "map": ["k": "v", "n": 5, "items": 1, "A": [1, 2]], "empty": [],
        "people": [
            ["name": "Eve", "age": 30, "tags": ["x"]], ["name": "adam", "age": 4],
            ["name": "Eve", "age": 7, "tags": []],
        ],
    ]

    private func render(_ template: String) throws -> String {
        try JinjaTemplate(template).render(Self.variables).text
    }

    private func check(_ pairs: JSONValue) {
        var failures: [String] = []
        var refused = 0
        for pair in pairs.array ?? [] {
            guard let template = pair.array?.first?.string, let expected = pair.array?.last else { continue }
            let result = Result { try render(template) }
            // Integers have 64 bits here, and Python writes addresses of functions.
            let refusals = ["too large", "cannot be written as text", "is not supported"]
            if case .failure(let error as PVITError) = result, refusals.contains(where: error.what.contains) {
                refused += 1
                continue
            }
            let text = try? result.get()
            if text.map({ Array($0.utf8) }) == expected.string.map({ Array($0.utf8) }) { continue }
            failures.append("\(template)\n    Jinja: \(expected.string ?? "an error")\n    here:  \(result)")
        }
        #expect(refused * 50 < pairs.array?.count ?? 0)
        #expect(failures.isEmpty, "\(failures.count) differ:\n\(failures.prefix(60).joined(separator: "\n"))")
    }

    @Test("a sign before a power applies to the power, unless Jinja folds constants")
    func signedPowers() throws {
        // The result of Jinja 3.1.6.
        #expect(try render("{{ -2 ** 2 }} {{ -2 ** (a - 5) }} {{ (-2) ** (a - 5) }} {{ b ** 2 }}") == "4 -4 -4 9")
    }

    @Test("generated expressions have the same values as in Jinja")
    func goldenExpressions() throws {
        let url = try #require(Bundle.module.url(forResource: "Fixtures/jinja/expressions", withExtension: "json"))
        check(try JSONValue(parsing: Array(try Data(contentsOf: url))))
    }

    @Test("newly generated expressions have the same values as in Jinja", .slow, .enabled(if: Python.isPresent))
    func freshExpressions() throws {
        let environment = ProcessInfo.processInfo.environment
        let script = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "tools/compare_jinja.py")
        let output = try Python.run(
            "import runpy, sys; sys.argv = sys.argv[1:]; sys.path.insert(0, sys.argv[0].rpartition('/')[0]); "
                + "runpy.run_path(sys.argv[0], run_name='__main__')",
            script.path,
            "expressions", environment["PVIT_JINJA_COUNT"] ?? "1000", environment["PVIT_FUZZ_SEED"] ?? "2")
        check(try JSONValue(parsing: Array(output.utf8)))
    }
}
