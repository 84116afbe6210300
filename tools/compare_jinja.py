#!/usr/bin/env python3
"""Renders chat templates and expressions with Jinja2, in the environment of `transformers`.

tools/compare_jinja.py fixtures             writes the expected results of the template tests
tools/compare_jinja.py expressions N SEED   prints N generated templates as JSON, with text or null for an error
"""

import copy
import datetime
import json
import pathlib
import sys

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja_expressions import VARIABLES, Generator

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
    """The text, or None if Jinja fails."""
    try:
        # Some filters modify their arguments.
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
                "messages": messages,
                "add_generation_prompt": True,
                "bos_token": "<s>",
                "eos_token": "</s>",
                "tools": None,
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
    expressions = generated(2000, 1)
    (FIXTURES / "expressions.json").write_text(json.dumps(expressions, indent=0, ensure_ascii=False) + "\n")


def generated(count, seed):
    """Templates and their texts. Texts with addresses differ from run to run, and long ones add nothing."""
    generator = Generator(seed)
    result = []
    while len(result) < count:
        template = generator.template()
        text = render(template, VARIABLES)
        if text is not None and (" at 0x" in text or len(text) > 2000 or "built-in" in text):
            continue
        result.append([template, text])
    return result


def main():
    match sys.argv[1:]:
        case ["fixtures"]:
            fixtures()
        case ["expressions", count, seed]:
            print(json.dumps(generated(int(count), int(seed))))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
