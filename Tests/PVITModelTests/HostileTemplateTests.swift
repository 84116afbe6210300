import CheckpointTestSupport
import Storage
import Testing

@testable import PVITModel

@Suite("Hostile chat templates")
struct HostileTemplateTests {
    private static func repeated(_ text: String, _ count: Int) -> String { String(repeating: text, count: count) }

    /// Templates that exceed a limit, with words of the error.
    static let templates: [(String, limit: String)] = [
        ("{{ 1" + repeated("+1", 12_000) + " }}", "nests more than 200 deep"),
        ("{{ " + repeated("[", 90_000) + repeated("]", 90_000) + " }}", "nests more than 200 deep"),
        ("{{ " + repeated("(", 90_000) + "1" + repeated(")", 90_000) + " }}", "nests more than 200 deep"),
        ("{{ " + repeated("not ", 20_000) + "x }}", "nests more than 200 deep"),
        ("{{ " + repeated("- ", 20_000) + "1 }}", "nests more than 200 deep"),
        ("{{ 0" + repeated(" or 0", 20_000) + " }}", "nests more than 200 deep"),
        ("{{ x" + repeated(".a", 20_000) + " }}", "nests more than 200 deep"),
        ("{{ x" + repeated("|trim", 20_000) + " }}", "nests more than 200 deep"),
        ("{{ x" + repeated("()", 20_000) + " }}", "nests more than 200 deep"),
        ("{{ " + repeated("1 if 0 else ", 20_000) + "2 }}", "nests more than 200 deep"),
        (repeated("{% if 1 %}", 20_000) + repeated("{% endif %}", 20_000), "nest more than 100 deep"),
        ("{% set n = namespace(x='ab') %}{% for i in range(40) %}{% set n.x = n.x + n.x %}{% endfor %}", "steps"),
        ("{% set n = namespace(x=[1]) %}{% for i in range(40) %}{% set n.x = n.x + n.x %}{% endfor %}", "steps"),
        (shared + "{{ n.x == n.y }}", "steps"), (shared + "{{ n.x }}", "steps"),
        (shared + "{{ n.x | tojson }}", "steps"),
        (chain("[n.x]"), "nest more than 200 deep"), (chain("{'a': n.x}"), "nest more than 200 deep"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "recurse more than 1000 deep"),
        ("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}", "recurse more than 1000 deep"),
        ("{{ range(10**18) }}", "more than 100000 numbers"),
        ("{% for x in range(100000) %}{% for y in range(100000) %}{% endfor %}{% endfor %}", "steps"),
        ("{{ 'x' * 10**9 }}", "steps"), ("{{ [1] * 10**18 }}", "steps"), ("{{ 'a'.center(10**12) }}", "steps"),
        ("{{ 'a\nb' | indent(10**12) }}", "steps"), ("{{ '\t'.expandtabs(10**18) }}", "steps"),
        ("{{ [1] | batch(10**15, 1) | list }}", "steps"), ("{{ [[1]] | tojson(indent=10**15) }}", "steps"),
        ("{{ ('a' * 100000).replace('a', 'b' * 100000) }}", "steps"),
        ("{{ ('a' * 900000).count('a' * 400000 ~ 'b') }}", "steps"),
        ("{{ '%999999999d' % 1 }}", "wider than 100000"), ("{{ '{:999999999}'.format(1) }}", "wider than 100000"),
        ("{{ 9 ** 9 ** 9 }}", "too large"), ("{{ 99999999999999999999 }}", "too large"),
        ("{{ (-9223372036854775807 - 1) // -1 }}", "too large"),
        (repeated("{{", 50_000), "nests more than 200 deep"), (repeated("{#", 50_000), "not closed"),
        (repeated("a", 1 << 20) + "b", "longer than 1 MiB"),
    ]

    private static let shared =
        "{% set n = namespace(x=[1], y=[1]) %}{% for i in range(60) %}"
        + "{% set n.x = [n.x, n.x] %}{% set n.y = [n.y, n.y] %}"
        + "{% endfor %}"

    private static func chain(_ link: String) -> String {
        "{% set n = namespace(x=[]) %}{% for i in range(90000) %}{% set n.x = \(link) %}{% endfor %}"
    }

    @Test(
        "a template that would not end, or not fit into memory, gives an error that names the limit",
        arguments: templates)
    func limits(_ template: String, limit: String) {
        let error = #expect(throws: PVITError.self) { try JinjaTemplate(template).render([:], work: 1_000_000) }
        #expect(error?.code == .chatTemplate)
        #expect(error?.what.contains(limit) == true, "\(error?.what ?? "")")
    }

    @Test(
        "long chains of references are released without deep recursion",
        arguments: [
            "{% set n.x = namespace(y=n.x) %}",
            "{% set o = n.x %}{% macro m() %}{{ o }}{% endmacro %}{% set n.x = m %}",
            "{% for y in [1] %}{{ '' if loop.changed(n.x) }}{% set n.x = loop %}{% endfor %}", "{% set n.x = [n] %}",
        ])
    func chains(_ step: String) throws {
        let template = "{% set n = namespace(x=0) %}{% for i in range(5000) %}\(step)\n{% endfor %}done"
        #expect(try JinjaTemplate(template).render([:]).text == "done")
    }

    @Test(
        "anything malformed or unsupported gives an error",
        arguments: [
            "{{", "{{ a", "{% if a %}", "{% endif %}", "{% for x in %}{% endfor %}", "{% for in list %}{% endfor %}",
            "{% set x %}", "{{ 'a }}", "{{ a b }}", "{{ a. }}", "{{ a[ }}", "{{ (a }}", "{% else %}", "{#",
            "{% nonsense %}",
            "{{ a ? b }}", "{{ 'x' | nonsense }}", "{{ 'x' is nonsense }}", "{{ 'x'.nonsense() }}", "{{ a() }}",
            "{{ nothing.x }}",
            "{{ 1 + 'x' }}", "{{ 1 < 'x' }}", "{{ 1 % 0 }}", "{{ raise_exception('no') }}", "{% include 'x' %}",
            "{% import 'x' as y %}", "{% extends 'x' %}", "{% for a, b in [1] %}{% endfor %}", "{% set a.x = 1 %}",
            "{{ [].append(1) }}", "{{ {}.update({}) }}", "{% break %}", "{{ '\\ud800' }}",
            "{% macro m(a=1, b) %}{% endmacro %}",
            "{% macro m() %}{% endmacro %}{{ m(1) }}", "{{ [1] | tojson(nonsense=1) }}", "{{ namespace }}",
        ])
    func errors(_ template: String) {
        let error = #expect(throws: PVITError.self) { try JinjaTemplate(template).render([:]) }
        #expect(error?.code == .chatTemplate)
    }

    @Test("damaged templates render or give an error")
    func mutations() throws {
        let names = try ChatTemplateTests.expected().members.map(\.key)
        let conversations = try ChatTemplateTests.conversations()
        var budget = FuzzBudget(rounds: 150)
        var mutator = Mutator(seed: budget.seed)
        while budget.next() {
            let name = try #require(names.randomElement(using: &mutator.random))
            let original = Array(try ChatTemplateTests.template(name).utf8)
            let text = String(decoding: mutator.mutate(original), as: UTF8.self)
            let messages = try #require(conversations.randomElement(using: &mutator.random))
            do {
                _ = try ChatTemplate(text, tokens: ChatTemplateTests.tokens).render(messages)
            } catch let error as PVITError {
                #expect(error.code == .chatTemplate, "\(error), seed \(budget.seed): \(text)")
            }
        }
    }
}
