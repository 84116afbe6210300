"""Generates random Jinja templates from a grammar. In a rule, <name> refers to another rule."""

import random
import re

VARIABLES = {
    "a": 7,
    "b": -3,
    "z": 0,
    "f": 2.5,
    "g": -0.125,
    "s": " Some text\n",
    "u": "Ünï ΣΑΣ ß\u2028ǆx",
    "e": "",
    "yes": True,
    "no": None,
    "w": "one two  three",
    "k": "n",
    "list": [3, 1, 2],
    "words": ["b", "A", "c", "a"],
    "mixed": [1, "two", [3], None],
    "map": {"k": "v", "n": 5, "items": 1, "A": [1, 2]},
    "empty": [],
    "people": [
        {"name": "Eve", "age": 30, "tags": ["x"]},
        {"name": "adam", "age": 4},
        {"name": "Eve", "age": 7, "tags": []},
    ],
}

# Productions at the depth limit.
LEAVES = r"""
number: a | b | z | f | g | 0 | 1 | 2 | 3.0 | 10 | 1e3 | -1 | true | 17 | 0x1F | 1_000 | 0.1
text: s | u | e | w | k | 'x' | 'a b' | '\n' | 'é' | '\u00e9\t' | '%s-%5.1f¦' | '{} {:>4}' | ' pad ' | 'ABC' | 'abcabc'
text: '"q\'' | '1.5' | ' 42 ' | '-' | '\x41\101'
sequence: list | words | mixed | empty | people | map | range(4) | (1, 'a') | [f, a] | w | range(9, 0, -3)
any: <number> | <text> | <sequence> | none | missing | map | yes | map.n | map['k'] | map.items | people[0].name
any: mixed[2][0] | list[9] | people[0]['age'] | {'p': 1, 2: f, none: e} | map.get('zz', 4) | w[2] | people[1].tags
condition: yes | no | a > 3 | s is string | missing is defined | k in map
bound: | 0 | 1 | 2 | -1 | -2 | 5 | 99 | none
step: | 1 | 2 | -1 | -2 | 0
slice: <bound>:<bound> | <bound>:<bound>:<step>
"""

# Other productions, one per line.
BRANCHES = r"""
number: <number> + <number>
number: <number> - <number>
number: <number> * <number>
number: <number> / <number>
number: <number> // <number>
number: <number> % <number>
number: <number> ** <number>
number: (<number>)
number: -<number>
number: (<any>) | length
number: (<any>) | int
number: (<any>) | float
number: (<number>) | abs
number: (<number>) | round
number: (<number>) | round(1)
number: (<number>) | round(2)
number: (<number>) | round(1, method='ceil')
number: (<number>) | round(method='floor')
number: <sequence> | sum
number: <sequence> | min
number: <sequence> | max
number: <sequence> | first
number: <sequence> | last
number: (<text>).find(<text>)
number: (<text>).rfind(<text>)
number: (<text>).count(<text>)
number: (<text>).index(<text>)
number: people | sum(attribute='age')
text: <text> + <text>
text: <text> ~ <any>
text: (<text>) * <number>
text: (<text>)[<slice>]
text: (<text>).<method>
text: (<text>).<method>
text: (<text>).<method>
text: (<text>) | <filter>
text: (<any>) | <filter>
text: <sequence> | join
text: <sequence> | join(<text>)
text: (<any>) | tojson
text: (<any>) | tojson(indent=2)
text: (<any>) | tojson(ensure_ascii=true)
text: (<any>) | tojson(sort_keys=true)
text: (<any>) | tojson(separators=(",", ":"))
text: (<any>) | string
text: '<percent>' % <any>
text: '%s %s' % (<any>, <any>)
text: '%d/%s' % (<number>, <any>)
text: '<format>'.format(<any>)
text: '<format>'.format(<number>)
text: '{x} {y[n]} {x!r:>8}'.format(x=<any>, y=map)
sequence: (<sequence> | list)
sequence: [<any>, <any>]
sequence: (<any>,)
sequence: (<sequence>)[<slice>]
sequence: (<sequence> + <sequence>)
sequence: (<sequence> | sort)
sequence: (<sequence> | sort(reverse=true))
sequence: (<sequence> | sort(case_sensitive=true))
sequence: (people | sort(attribute='age'))
sequence: (people | sort(attribute='name,age'))
sequence: (<sequence> | unique | list)
sequence: (<sequence> | reverse | list)
sequence: (<sequence> | batch(2) | list)
sequence: (<sequence> | batch(3, 0) | list)
sequence: (<sequence> | slice(2) | list)
sequence: (<sequence> | slice(3, 9) | list)
sequence: (<sequence> | map('string') | list)
sequence: (<sequence> | map('upper') | list)
sequence: (<sequence> | map('length') | list)
sequence: (people | map(attribute='name') | list)
sequence: (people | map(attribute='tags.0') | list)
sequence: (<sequence> | map(attribute='q', default=0) | list)
sequence: (<sequence> | select | list)
sequence: (<sequence> | select('string') | list)
sequence: (<sequence> | reject('odd') | list)
sequence: (<sequence> | select('gt', 1) | list)
sequence: (<sequence> | reject('in', list) | list)
sequence: (people | selectattr('tags') | list)
sequence: (people | selectattr('tags', 'defined') | list)
sequence: (people | selectattr('age', 'gt', 6) | list)
sequence: (people | rejectattr('name', 'equalto', 'Eve') | list)
sequence: (people | groupby('name'))
sequence: (people | groupby('tags', default=''))
sequence: (map | items | list)
sequence: (map | dictsort)
sequence: (map | dictsort(by='key', reverse=true))
sequence: map.items()
sequence: map.keys()
sequence: map.values()
sequence: (<sequence> * 2)
condition: <any> == <any>
condition: <any> != <any>
condition: <number> < <number>
condition: <number> >= <number>
condition: <text> < <text>
condition: <number> < <number> <= <number>
condition: <any> in <sequence>
condition: <any> not in <sequence>
condition: <text> in <text>
condition: (<any>) is <test>
condition: (<any>) is not <test>
condition: not <any>
condition: (<any>) and (<any>)
condition: (<any>) or (<any>)
condition: <sequence> < <sequence>
any: <number>
any: <text>
any: <sequence>
any: (<condition>)
any: (<any> if <condition> else <any>)
any: (<any> if <condition>)
any: {'x': <any>, 'y': <any>}
any: (<any>)[<any>]
any: (<any>).name
any: (<any>).items
template: {{ <number> }}
template: {{ <text> }}
template: {{ <text> }}
template: {{ <sequence> }}
template: {{ <any> }}
template: {{ <condition> }}
template: {% for x in <sequence> %}{{ loop.index }}{{ x }}{{ '' if loop.last else ',' }}{% else %}none{% endfor %}
template: {% for x in <sequence> if <condition> %}[{{ x }}¦{{ loop.length }}]{% endfor %}
template: {% if <condition> %}A{% elif <condition> %}B{% else %}C{% endif %}
template: {% set x = <any> %}{{ x }}{{ x is defined }}
template: {% macro m(x, y=<any>) %}<{{ x }}:{{ y }}>{% endmacro %}{{ m(<any>) }}{{ m(1, y=<any>) }}
"""

# Productions without depth, separated by spaces.
WORDS = r"""
method: strip() lstrip() upper() lower() title() capitalize() swapcase() split() splitlines() splitlines(true) isdigit()
method: isalpha() isspace() isupper() islower() istitle() isalnum() isnumeric() isidentifier() isprintable() center(9)
method: ljust(9,'.') rjust(9) zfill(6) expandtabs(4) split(none,1) rsplit(none,1) strip(<text>) rstrip(<text>)
method: replace(<text>,<text>) replace(<text>,<text>,1) split(<text>) split(<text>,1) rsplit(<text>,1)
method: startswith(<text>) endswith(<text>) endswith((<text>,<text>)) startswith(<text>,1) partition(<text>)
method: rpartition(<text>) removeprefix(<text>) removesuffix(<text>) count(<text>) find(<text>,1,4) join(<sequence>)
filter: trim trim(<text>) upper lower title capitalize replace(<text>,<text>) default(<text>) default(<text>,true)
filter: d(<text>,boolean=true) indent indent(2,true) indent('>',blank=true) escape wordcount center(20) truncate(6)
filter: truncate(9,true,'…',0) string reverse first last list urlencode length safe
test: defined undefined none string number integer float mapping iterable sequence boolean true false odd even lower
test: upper callable divisibleby(2) eq(7) in(list) ge(2) escaped
percent: %s %d %5.2f %r %x %-6s %05d %+d %e %g %c %%%s %.2s
format: {} {:>8} {:<8} {:^9} {:08.3f} {:,} {:+d} {!r} {:x} {:#b} {0}{0} {:.2e} {:g} {:%} {:*^11} {:_} {:.3}
"""


def rules(text, separator):
    """The productions of each rule."""
    result = {}
    for line in text.strip().splitlines():
        name, productions = line.split(":", 1)
        productions = productions.split(separator) if separator else [productions]
        # Bars separate productions, so a bar within one is written as a broken bar.
        result.setdefault(name, []).extend(production.strip().replace("¦", "|") for production in productions)
    return result


class Generator:
    """Templates determined by a seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.leaves = rules(LEAVES, "|")
        self.branches = rules(BRANCHES, None)
        self.words = {
            name: [word for words in lists for word in words.split()] for name, lists in rules(WORDS, None).items()
        }

    def expand(self, name, depth):
        if name in self.words:
            productions = self.words[name]
        elif name in self.branches and (depth > 0 or name not in self.leaves):
            productions = self.branches[name]
        else:
            productions = self.leaves[name]
        production = self.random.choice(productions)
        known = self.words | self.branches | self.leaves

        def replace(match):
            return self.expand(match[1], depth - 1) if match[1] in known else match[0]

        return re.sub(r"<(\w+)>", replace, production)

    def template(self):
        return self.expand("template", self.random.choice((1, 2, 2, 3, 4)))
