#!/usr/bin/env python3
"""What Jinja2 makes of chat templates and expressions, in the environment of `transformers`, for comparison with pvit's engine.

    tools/compare_jinja.py fixtures             writes the expected texts of the templates under Tests/PVITModelTests/Fixtures/jinja
    tools/compare_jinja.py expressions N SEED   prints N generated templates as JSON: template, and text or null for an error
    tools/compare_jinja.py render FILE          prints the texts of [template, variables] pairs in a JSON file
"""

import copy
import datetime
import json
import pathlib
import random
import sys

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "Tests/PVITModelTests/Fixtures/jinja"


class Generation(jinja2.ext.Extension):
    """The tag `generation` of `transformers`, which only marks its text."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("text"), [], [], body).set_lineno(line)

    def text(self, caller):
        return caller()


def environment():
    result = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    result.filters["tojson"] = tojson
    result.globals["raise_exception"] = raise_exception
    result.globals["strftime_now"] = lambda format: datetime.datetime.now().strftime(format)
    return result


ENVIRONMENT = environment()


def render(template, variables):
    """The text, or None when Jinja fails."""
    try:
        # Some filters change what they are given.
        text = ENVIRONMENT.from_string(template).render(**copy.deepcopy(variables))
        text.encode()
        return text
    except Exception:
        return None


def fixtures():
    conversations = json.loads((FIXTURES / "conversations.json").read_text())
    results = {}
    for path in sorted((FIXTURES / "templates").glob("*.jinja")):
        texts = []
        for messages in conversations:
            variables = {
                "messages": messages, "add_generation_prompt": True, "bos_token": "<s>", "eos_token": "</s>", "tools": None,
                "documents": None,
            }
            text = render(path.read_text(), variables)
            today = datetime.datetime.now()
            if text is not None:
                for format in ("%d %b %Y", "%Y-%m-%d", "%B %d, %Y"):
                    text = text.replace(today.strftime(format), "{" + format + "}")
            texts.append(text)
        results[path.stem] = texts
    (FIXTURES / "conversations.expected.json").write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    expressions = generated(2500, 1)
    (FIXTURES / "expressions.json").write_text(json.dumps(expressions, indent=0, ensure_ascii=False) + "\n")


VARIABLES = {
    "a": 7, "b": -3, "z": 0, "f": 2.5, "g": -0.125, "s": " Some text\n", "u": "Ünï ΣΑΣ ß\u2028ǆx", "e": "", "yes": True, "no": None,
    "w": "one two  three", "k": "n", "list": [3, 1, 2], "words": ["b", "A", "c", "a"], "mixed": [1, "two", [3], None],
    "map": {"k": "v", "n": 5, "items": 1, "A": [1, 2]}, "empty": [],
    "people": [{"name": "Eve", "age": 30, "tags": ["x"]}, {"name": "adam", "age": 4}, {"name": "Eve", "age": 7, "tags": []}],
}


SEPARATORS = 'separators=(",", ":")'


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def choose(self, *options):
        return self.random.choice(options)

    def number(self, depth):
        c = self.choose
        if depth <= 0:
            return c("a", "b", "z", "f", "g", "0", "1", "2", "3.0", "10", "1e3", "-1", "true", "17", "0x1F", "1_000", "0.1")
        return c(
            lambda: f"{self.number(depth - 1)} {c('+', '-', '*', '/', '//', '%', '**')} {self.number(depth - 1)}",
            lambda: f"({self.number(depth - 1)})",
            lambda: f"-{self.number(0)}",
            lambda: f"({self.any(depth - 1)}) | length",
            lambda: f"({self.any(depth - 1)}) | int",
            lambda: f"({self.any(depth - 1)}) | float",
            lambda: f"({self.number(depth - 1)}) | abs",
            lambda: f"({self.number(depth - 1)}) | round({c('', '1', '2', '0', '1, method=' + repr(c('ceil', 'floor')))})",
            lambda: f"{self.sequence(depth - 1)} | {c('sum', 'min', 'max', 'first', 'last')}",
            lambda: f"({self.text(depth - 1)}).{c('find', 'count', 'index', 'rfind')}({self.text(0)})",
            lambda: f"people | {c('map', 'sum')}(attribute={c(repr('age'), repr('name'), repr('tags.0'))})",
        )()

    def text(self, depth):
        c = self.choose
        if depth <= 0:
            return c(
                "s", "u", "e", "w", "k", "'x'", "'a b'", "'\\n'", "'é'", "'\\u00e9\\t'", "'%s-%5.1f|'", "'{} {:>4}'", "' pad '",
                "'ABC'", "'abcabc'", "'\"q\\''", "'1.5'", "' 42 '", "'-'", "'\\x41\\101'",
            )
        return c(
            lambda: f"{self.text(depth - 1)} {c('+', '~')} {self.text(depth - 1)}",
            lambda: f"({self.text(depth - 1)}) * {self.choose('2', 'z', 'b', '3')}",
            lambda: f"({self.any(depth - 1)}) ~ {self.any(0)}",
            lambda: f"({self.text(depth - 1)})[{self.slice()}]",
            lambda: f"({self.text(depth - 1)}).{self.method(depth)}",
            lambda: f"({self.any(depth - 1)}) | {self.filter(depth)}",
            lambda: f"{self.sequence(depth - 1)} | join({c('', self.text(0))})",
            lambda: f"({self.any(depth - 1)}) | tojson({c('', 'indent=2', 'ensure_ascii=true', 'sort_keys=true', SEPARATORS)})",
            lambda: f"({self.any(depth - 1)}) | string",
            lambda: f"'{c('%s', '%d', '%5.2f', '%r', '%x', '%-6s|', '%05d', '%+d', '%e', '%g', '%c', '%%%s', '%.2s')}' % {self.any(0)}",
            lambda: f"'{c('%s %s', '%s', '%d/%s')}' % ({self.any(0)}, {self.any(0)})",
            lambda: f"'{c('{}', '{:>8}', '{:<8}|', '{:^9}', '{:08.3f}', '{:,}', '{:+d}', '{!r}', '{:x}', '{:#b}', '{0}{0}', '{:.2e}', '{:g}', '{:%}', '{:*^11}', '{:_}', '{:.3}')}'.format({self.any(0)})",
            lambda: "'{x} {y[n]} {x!r:>8}'.format(x=" + self.any(0) + ", y=map)",
        )()

    def slice(self):
        n = lambda: self.choose("", "", "0", "1", "2", "-1", "-2", "5", "99", "none")
        return self.choose(f"{n()}:{n()}", f"{n()}:{n()}:{self.choose('', '1', '2', '-1', '-2', '0')}")

    def method(self, depth):
        c = self.choose
        t = lambda: self.text(0)
        return c(
            "strip()", f"strip({t()})", "lstrip()", f"rstrip({t()})", "upper()", "lower()", "title()", "capitalize()", "swapcase()",
            f"replace({t()}, {t()})", f"replace({t()}, {t()}, 1)", "split()", f"split({t()})", f"split({t()}, 1)",
            f"rsplit({t()}, 1)", "split(none, 1)", "rsplit(none, 1)", f"startswith({t()})", f"endswith({t()})",
            f"endswith(({t()}, {t()}))", "splitlines()", "splitlines(true)", "isdigit()", "isalpha()", "isspace()", "isupper()", "islower()",
            "istitle()", "isalnum()", "isnumeric()", f"join({self.sequence(depth - 1)})", "center(9)", "ljust(9, '.')", "rjust(9)",
            "zfill(6)", "expandtabs(4)", f"partition({t()})", f"rpartition({t()})", f"removeprefix({t()})",
            f"removesuffix({t()})", f"startswith({t()}, 1)", f"count({t()})", f"find({t()}, 1, 4)", "isidentifier()", "isprintable()",
        )

    def filter(self, depth):
        c = self.choose
        t = lambda: self.text(0)
        return c(
            "trim", f"trim({t()})", "upper", "lower", "title", "capitalize", f"replace({t()}, {t()})", f"default({t()})",
            f"default({t()}, true)", f"d({t()}, boolean=true)", "indent", "indent(2, true)", "indent('> ', blank=true)", "escape",
            "wordcount", "center(20)", "truncate(6)", "truncate(9, true, '…', 0)", "string", "reverse", "first", "last", "list", "urlencode", "length",
            "safe",
        )

    def sequence(self, depth):
        c = self.choose
        if depth <= 0:
            return c("list", "words", "mixed", "empty", "people", "map", "range(4)", "(1, 'a')", "[f, a]", "w", "range(9, 0, -3)")
        s = lambda: self.sequence(depth - 1)
        return c(
            lambda: f"({s()} | list)",
            lambda: f"[{self.any(depth - 1)}, {self.any(depth - 1)}]",
            lambda: f"({self.any(depth - 1)},)",
            lambda: f"({s()})[{self.slice()}]",
            lambda: f"({s()} + {s()})",
            lambda: f"({s()} | sort({c('', 'reverse=true', 'case_sensitive=true')}))",
            lambda: f"(people | sort(attribute={c(repr('age'), repr('name'), repr('name,age'))}))",
            lambda: f"({s()} | unique | list)",
            lambda: f"({s()} | reverse | list)",
            lambda: f"({s()} | batch({c('1', '2', '3, 0')}) | list)",
            lambda: f"({s()} | slice({c('2', '3, none', '2, 9')}) | list)",
            lambda: f"({s()} | map({c(repr('string'), repr('upper'), repr('length'), 'attribute=' + repr('name'), 'attribute=' + repr('q') + ', default=0')}) | list)",
            lambda: f"({s()} | {c('select', 'reject')}({c('', repr('string'), repr('odd'), repr('defined'), repr('gt') + ', 1', repr('in') + ', list')}) | list)",
            lambda: f"(people | {c('selectattr', 'rejectattr')}({c(repr('tags'), repr('age') + ', ' + repr('gt') + ', 6', repr('name') + ', ' + repr('equalto') + ', ' + repr('Eve'), repr('tags') + ', ' + repr('defined'))}) | list)",
            lambda: f"(people | groupby({c(repr('name'), repr('age'), repr('tags') + ', default=' + repr(''))}))",
            lambda: f"(map | {c('items | list', 'dictsort', 'list', 'dictsort(by=' + repr('key') + ', reverse=true)')})",
            lambda: f"map.{c('items()', 'keys()', 'values()')}",
            lambda: f"(people | map(attribute={c(repr('name'), repr('age'), repr('tags.0'))}) | list)",
            lambda: f"({s()} * 2)",
        )()

    def condition(self, depth):
        c = self.choose
        x = lambda: self.any(depth - 1)
        return c(
            lambda: f"{x()} {c('==', '!=')} {x()}",
            lambda: f"{self.number(depth - 1)} {c('<', '<=', '>', '>=')} {self.number(depth - 1)}",
            lambda: f"{self.text(0)} {c('<', '>=')} {self.text(0)}",
            lambda: f"{self.number(0)} < {self.number(0)} <= {self.number(0)}",
            lambda: f"{x()} {c('in', 'not in')} {self.sequence(depth - 1)}",
            lambda: f"{self.text(0)} in {self.text(depth - 1)}",
            lambda: f"({x()}) is {c('', 'not ')}{c('defined', 'undefined', 'none', 'string', 'number', 'integer', 'float', 'mapping', 'iterable', 'sequence', 'boolean', 'true', 'false', 'odd', 'even', 'lower', 'upper', 'callable', 'divisibleby 2', 'eq(7)', 'in list', 'ge 2', 'escaped')}",
            lambda: f"not {x()}",
            lambda: f"({x()}) {c('and', 'or')} ({x()})",
            lambda: f"{self.sequence(0)} < {self.sequence(0)}",
        )()

    def any(self, depth):
        c = self.choose
        if depth <= 0:
            return c(
                lambda: self.number(0), lambda: self.text(0), lambda: self.sequence(0), lambda: "none", lambda: "missing", lambda: "map", lambda: "yes",
                lambda: "map.n", lambda: "map['k']", lambda: "map.items", lambda: "people[0].name", lambda: "mixed[2][0]", lambda: "list[9]", lambda: "people[0]['age']",
                lambda: "{'p': 1, 2: f, none: e}", lambda: "map.get('zz', 4)", lambda: "w[2]", lambda: "people[1].tags",
            )()
        return c(
            lambda: self.number(depth), lambda: self.text(depth), lambda: self.sequence(depth), lambda: f"({self.condition(depth)})",
            lambda: f"({self.any(depth - 1)} if {self.condition(depth - 1)} else {self.any(depth - 1)})",
            lambda: f"({self.any(depth - 1)} if {self.condition(depth - 1)})",
            lambda: f"{{'x': {self.any(depth - 1)}, 'y': {self.any(depth - 1)}}}",
            lambda: f"({self.any(depth - 1)})[{self.any(0)}]",
            lambda: f"({self.any(depth - 1)}).{c('name', 'items', 'x', 'upper')}",
        )()

    def template(self):
        depth = self.choose(1, 1, 2, 2, 3)
        return self.choose(
            *[lambda: "{{ " + self.any(depth) + " }}"] * 12,
            lambda: "{% for x in " + self.sequence(depth) + " %}{{ loop.index }}{{ x }}{{ '' if loop.last else ',' }}{% else %}none{% endfor %}",
            lambda: "{% for x in " + self.sequence(depth) + " if " + self.condition(1) + " %}[{{ x }}|{{ loop.length }}]{% endfor %}",
            lambda: "{% if " + self.condition(depth) + " %}A{% elif " + self.condition(1) + " %}B{% else %}C{% endif %}",
            lambda: "{% set x = " + self.any(depth) + " %}{{ x }}{{ x is defined }}",
            lambda: "{% macro m(x, y=" + self.any(1) + ") %}<{{ x }}:{{ y }}>{% endmacro %}{{ m(" + self.any(1) + ") }}{{ m(1, y=" + self.any(0) + ") }}",
        )()


def generated(count, seed):
    generator = Generator(seed)
    result = []
    while len(result) < count:
        template = generator.template()
        text = render(template, VARIABLES)
        # Addresses differ from run to run, and long texts show nothing that short ones do not.
        if text is not None and (" at 0x" in text or len(text) > 2000 or "frozenset" in text or "built-in" in text):
            continue
        result.append([template, text])
    return result


def main():
    match sys.argv[1:]:
        case ["fixtures"]:
            fixtures()
        case ["expressions", count, seed]:
            print(json.dumps(generated(int(count), int(seed))))
        case ["render", path]:
            pairs = json.loads(pathlib.Path(path).read_text())
            print(json.dumps([render(template, variables) for template, variables in pairs]))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
