import ConstrainedDecoding
import Storage
import TestSupport
import Testing

@Suite("Texts beside schemas")
struct AcceptanceTests {
    @Test("valid texts are accepted and others rejected", arguments: SchemaCase.all)
    func cases(item: SchemaCase) throws {
        let constraint = try JSONConstraint(schema: item.schema)
        for text in item.accepted { #expect(constraint.accepts(text), "\(text)") }
        for text in item.rejected { #expect(!constraint.accepts(text), "\(text)") }
    }

    @Test("the accepted texts are valid in the eyes of Python's jsonschema", .needsPython)
    func validity() throws {
        let texts = SchemaCase.all.map { JSONValue.array([$0.schema] + $0.accepted.map { .string($0) }) }
        #expect(!texts.isEmpty)
        let failures = try PythonSchemas.failures(texts)
        #expect(failures.isEmpty, "\(failures.listed(3))")
    }

    @Test("the same values are accepted as Python's json writes them, compact, spaced and indented", .needsPython)
    func pythonSpelling() throws {
        // Only values whose numbers Python spells in the accepted form.
        let script = """
            import json, sys
            result = []
            for texts in json.load(open(sys.argv[1], encoding="utf-8")):
                forms = []
                for value in map(json.loads, texts):
                    forms += [json.dumps(value, ensure_ascii=False, **options) for options in
                              ({}, {"separators": (",", ":")}, {"indent": 2}, {"indent": 4})]
                result.append([form for form in forms if "e-" not in form and "\\u007f" not in form])
            print(json.dumps(result))
            """
        let texts = SchemaCase.all.map { JSONValue.array($0.accepted.map { .string($0) }) }
        let forms = try #require(try PythonSchemas.run(script, .array(texts)).array)
        for (item, forms) in zip(SchemaCase.all, forms) {
            let constraint = try JSONConstraint(schema: item.schema)
            for form in forms.array ?? [] {
                let text = try #require(form.string)
                #expect(constraint.accepts(text), "\(item.name): \(text)")
            }
        }
    }

    @Test("a text may be read in pieces of any size, and every beginning of an accepted text is allowed")
    func pieces() throws {
        for item in SchemaCase.all {
            let constraint = try JSONConstraint(schema: item.schema)
            for text in item.accepted {
                for size in 1...3 {
                    var state = constraint.makeState()
                    var rest = Array(text.utf8)[...]
                    while !rest.isEmpty {
                        state = try #require(state.after(rest.prefix(size)))
                        rest = rest.dropFirst(size)
                    }
                    #expect(state.mayEnd)
                }
            }
        }
    }

    @Test("text that is not allowed leaves a state as it was")
    func rejection() throws {
        var state = try JSONConstraint(#"{"type": "array", "items": {"type": "integer"}}"#).makeState()
        state = try #require(state.after("[1".utf8))
        let isAllowed = state.append("2, \"a\"".utf8)
        #expect(!isAllowed && !state.mayEnd)
        state = try #require(state.after("]".utf8))
        #expect(state.mayEnd && state.mustEnd)
    }

    @Test("a number at the end may end and may go on")
    func openEnd() throws {
        var state = try JSONConstraint(#"{"type": "integer", "maximum": 99, "minimum": 0}"#).makeState()
        #expect(!state.mayEnd)
        state = try #require(state.after("9".utf8))
        #expect(state.mayEnd && !state.mustEnd)
        state = try #require(state.after("9".utf8))
        #expect(state.mayEnd && state.mustEnd)
    }

    @Test("a value lies in at most 63 arrays and objects, whatever the schema says")
    func nesting() throws {
        let constraint = try JSONConstraint(schema: true)
        let text = { (depth: Int) in String(repeating: "[", count: depth) + String(repeating: "]", count: depth) }
        #expect(constraint.accepts(text(64)))
        #expect(!constraint.accepts(text(65)))
        let list = ##"""
            {"type": "object", "properties": {"n": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}, "required": ["n"]}
            """##
        let linked = { (depth: Int) in
            String(repeating: "{\"n\":", count: depth) + "null" + String(repeating: "}", count: depth)
        }
        #expect(try JSONConstraint(list).accepts(linked(63)))
        #expect(try !JSONConstraint(list).accepts(linked(64)))
    }

    @Test("white space is bounded")
    func whiteSpace() throws {
        let constraint = try JSONConstraint(schema: true)
        for text in ["\n[\n  1, 2,\n\t3]", "[1,  2]", "{\"a\":  1}", "[1 , 2]", "[\n\n1]", "{\"a\" : 1}", "1 ", "  1"] {
            #expect(!constraint.accepts(text), "\(text.debugDescription)")
        }
        for text in [" 1", "\n1", "[ 1 ]", "[\n1\n]", "{ \"a\":1, \"b\":2 }"] {
            #expect(constraint.accepts(text), "\(text.debugDescription)")
        }
        #expect(constraint.accepts("[\n" + String(repeating: " ", count: 32) + "1]"))
        #expect(!constraint.accepts("[\n" + String(repeating: " ", count: 33) + "1]"))
    }
}
