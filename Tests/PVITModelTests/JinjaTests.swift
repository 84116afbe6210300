import CheckpointTestSupport
import Tensors
import Testing

@testable import PVITModel

@Suite("The template language")
struct JinjaTests {
    private static let variables: JSONObject = [
        "a": 7, "b": -2, "s": " Some text\n", "list": [1, "two", [3]], "map": ["k": "v", "n": 5], "yes": true,
        "no": .null,
    ]

    private static func value(_ json: JSONValue) -> JinjaValue {
        switch json {
        case .null: .none
        case .bool(let value): .bool(value)
        case .integer(let value): .integer(value)
        case .number: .undefined
        case .string(let value): .string(value)
        case .array(let elements): .list(elements.map(value))
        case .object(let object):
            .dictionary(Dictionary(object.members.map { ($0.key, value($0.value)) }) { $1 })
        }
    }

    private func render(_ template: String) throws -> String {
        let variables = Dictionary(Self.variables.members.map { ($0.key, Self.value($0.value)) }) { $1 }
        return try JinjaTemplate(template).render(variables)
    }

    static let templates = [
        // Expressions.
        "{{ a + b * 2 - 1 }} {{ a // 2 }} {{ b // 3 }} {{ b % 3 }} {{ a % 3 }} {{ -a }} {{ -a + 1 }}",
        "{{ a == 7 }} {{ a != 7 }} {{ a < 8 }} {{ a >= 8 }} {{ 'a' < 'b' }} {{ a == '7' }} {{ true == 1 }}",
        "{{ 'x' ~ a ~ no }} {{ 'x' + 'y' 'z' }} {{ \"it's\" }} {{ 'a\\tb\\\\n\\'' }}",
        "{{ not a }} {{ not not a }} {{ a and 'then' }} {{ 0 or 'else' }} {{ no and a or 'x' }} {{ '' or none }}",
        "{{ 1 in list }} {{ 'two' in list }} {{ 'x' not in list }} {{ 'k' in map }} {{ 'om' in s }} {{ '' in s }}",
        "{{ 'p' if a > 5 else 'q' }} {{ 'p' if a > 9 }} {{ 'p' if a > 9 else 'q' if b else 'r' }}",
        "{{ list[0] }} {{ list[-2] }} {{ list[9] }} {{ list[2][0] }} {{ map.k }} {{ map['n'] }} {{ map.none }} {{ s[1] }}",
        "{{ list[1:] | length }} {{ list[:1] | length }} {{ list[-1:] | first | first }} {{ s[1:5] }} {{ s[::-1] | trim }}",
        "{{ list[5:] | length }} {{ list[2:1] | length }} {{ list[:-1] | last }} {{ s[:none] }}",
        "{{ undefined }}|{{ undefined is defined }}|{{ a is defined }}|{{ no is none }}|{{ no is not none }}",
        "{{ s is string }} {{ a is string }} {{ map is mapping }} {{ list is iterable }} {{ a is number }} {{ yes is true }}",
        "{{ a is odd }} {{ b is even }} {{ a is divisibleby 7 }} {{ a is eq(7) }} {{ not a is none }} {{ yes is boolean }}",
        "{{ s.strip() }}|{{ s.rstrip() }}|{{ s.lstrip() }}|{{ 'xxaxx'.strip('x') }}|{{ s | trim }}|{{ s.upper() }}",
        "{{ 'a,b,,c'.split(',') | join('-') }} {{ 'a  b'.split() | join('-') }} {{ 'aXbX'.replace('X', 'YY') }}",
        "{{ s.strip().startswith('So') }} {{ s.endswith('\\n') }} {{ 'fOO bar' | title }} {{ 'fOO' | capitalize }}",
        "{{ s | length }} {{ list | length }} {{ map | length }} {{ 'x' | upper | lower }} {{ [1, 2] | last }}",
        "{{ none_there | default('d') }} {{ no | default('d') }} {{ no | default('d', true) }} {{ '' | d('e', boolean=true) }}",
        "{{ (1, 2) | join(',') }} {{ {'x': 1}.x }} {{ (['p'] + ['q']) | join }}",
        "{{ map.get('k') }} {{ map.get('z') }} {{ map.get('z', 'y') }} {{ namespace(x=3).x }} {{ dict(q=4).q }}",
        "{{ messages[0]['role'] if messages else 'none' }} {{ a|string + 'x' }} {{ range(3) | join }} {{ range(2, 5) | join }}",
        // Statements.
        "{% for x in list %}{{ loop.index }}/{{ loop.length }}{{ ',' if not loop.last }}{% endfor %}",
        "{% for x in [] %}x{% else %}none{% endfor %} {% for x in nothing %}x{% endfor %}",
        "{% for k, v in map.items() %}{{ k }}={{ v }};{% endfor %} {% for k in map %}{{ k }}{% endfor %}",
        "{% for x in range(6) if x % 2 == 0 %}{{ x }}{{ loop.first }}{{ loop.revindex0 }}{% endfor %}",
        "{% set x = 1 %}{% for i in range(2) %}{% set x = x + 10 %}{{ x }} {% endfor %}{{ x }}",
        "{% set n = namespace(x=1) %}{% for i in range(3) %}{% set n.x = n.x + i %}{% endfor %}{{ n.x }}",
        "{% for i in range(2) %}{% for j in range(2) %}{{ loop.index0 }}{% endfor %}{{ loop.index0 }}{% endfor %}",
        "{% if a > 9 %}A{% elif a > 8 %}B{% elif a > 6 %}C{% else %}D{% endif %}{% if no %}{% endif %}",
        "{% if yes %}{% set q = 'inside' %}{% endif %}{{ q }}",
        "{% for x in list %}{{ loop.previtem }}<{{ x if loop.index < 3 }}>{% endfor %}",
        "{% set messages = list[1:] %}{{ messages | length }}",
        // White space.
        "a\n{% if yes %}\nb\n{% endif %}\nc\n", "a \n  {% if yes %}  \n  b  \n  {% endif %}  c\n\n",
        "  {% if yes %}x{% endif %}  \n  {{ a }}  \n", "a  {%- if yes -%}  b  {%- endif -%}  c",
        "{{- a -}}  \n {{ b }}",
        "a {{- b -}} c", "  {%+ if yes %}x{% endif +%}\ny", "x {# gone #} y\n {# gone #}\nz {#- gone -#} w",
        "{% if yes -%}\n   a\n   {%- endif %}\n", "a\r\n{% if yes %}\r\nb{% endif %}\r\n",
        "{# a #}   {% if yes %}x{% endif %}",
        "{{ '{{' }} } % # { {a}", "\n\n", "", "   {{ a }}", "x\n   {% if yes %}y{% endif %}", "{{ a }}\n{{ a }}",
    ]

    @Test("templates render as with Jinja", .enabled(if: Python.isPresent))
    func likeJinja() throws {
        let expected = try ChatTemplateTests.render(Self.templates, Self.variables)
        #expect(expected.count == Self.templates.count)
        for (template, expected) in zip(Self.templates, expected) {
            let expected = try #require(expected, "Jinja cannot render \(template)")
            #expect(try render(template) == expected, "\(template)")
        }
    }

    @Test(
        "what is malformed or not supported is an error",
        arguments: [
            "{{", "{{ a", "{% if a %}", "{% endif %}", "{% for x in %}{% endfor %}", "{% for in list %}{% endfor %}",
            "{% set x %}", "{{ 'a }}", "{{ a b }}", "{{ a. }}", "{{ a[ }}", "{{ (a }}", "{% else %}", "{#",
            "{% nonsense %}",
            "{{ 1.5 }}", "{{ a ? b }}", "{{ list[::2] }}", "{{ s | nonsense }}", "{{ s is nonsense }}",
            "{{ s.nonsense() }}",
            "{{ a() }}", "{{ list }}", "{{ nothing.x }}", "{{ a + s }}", "{{ a < s }}", "{{ a % 0 }}",
            "{{ 9223372036854775807 + 1 }}", "{{ range(1000000000) }}",
            "{% for x in range(90000) %}"
                + "{% for y in range(90000) %}{% endfor %}{% endfor %}", "{{ raise_exception('no') }}", "{{ '\\x41' }}",
            "{% for a, b in list %}{% endfor %}", "{{ 99999999999999999999 }}", "{% set a.x = 1 %}",
        ])
    func errors(_ template: String) {
        let error = #expect(throws: PVITError.self) { try render(template) }
        #expect(error?.code == .chatTemplate)
    }

    @Test("deep nesting is an error, not an overflow", arguments: ["(", "[", "{{ x[", "not ", "-", "a if "])
    func nesting(_ opening: String) {
        let text = "{{ " + String(repeating: opening, count: 20_000) + " }}"
        #expect(throws: PVITError.self) { try render(text) }
        let blocks = String(repeating: "{% if a %}", count: 20_000) + String(repeating: "{% endif %}", count: 20_000)
        #expect(throws: PVITError.self) { try render(blocks) }
    }
}
