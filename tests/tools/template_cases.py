"""Templates for make_template_cases.py: one construct each, then families."""

from template_families import FAMILIES  # noqa: F401

CASES = []


def case(name, template, **context):
    CASES.append({"name": name, "template": template, "context": context})


def fails(name, template, **context):
    CASES.append({"name": name, "template": template, "context": context,
                  "fails": True})


def prints(prefix, expressions, **context):
    """Whether each of them works or fails is for Jinja2 to say."""
    for expression in expressions:
        case(f"{prefix}: {expression}", "{{ " + expression + " }}", **context)
        CASES[-1]["either"] = True


MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi  "},
    {"role": "assistant", "content": "Hello\nthere"},
    {"role": "user", "content": "Größe 水 ☃?"},
]
NUMBERS = [3, 1, 2, 5, 4]
TOOL = {"type": "function",
        "function": {"name": "weather", "description": "Tells \"it\" <all>",
                     "parameters": {"type": "object", "properties": {
                         "city": {"type": "string"},
                         "days": {"type": "integer", "default": 3}},
                         "required": ["city"]}}}

# White space.
for index, text in enumerate([
        "a\n{% if true %}\nb\n{% endif %}\nc\n",
        "a\n  {% if true %}\n  b\n  {% endif %}\nc",
        "a  {%- if true -%}  \n b \n {%- endif -%}\n\n c",
        "a {{- 'x' -}} b {{ 'y' }}\n c",
        "{{ 'x' }}\n\n{{ 'y' }}\n",
        "  {{ 'x' }}\n  {%+ if true %}b{% endif %}\n",
        "a\n  {%+ if true +%}\nb\n  {%+ endif +%}\nc",
        "x {# comment #}\ny {#- left #} z {# right -#}  w",
        "  {# alone #}\nnext",
        "{% raw %}{{ not }} {% a %}{% endraw %}!",
        "a\n  {%- raw -%}\n  {{ x }}\n  {%- endraw -%}  b",
        "{% raw %}\nline\n{% endraw %}\nafter",
        "{% set a = 1 %}\n\n{% set b = 2 %}\n{{ a }}{{ b }}",
        "a\r\nb\r{% if true %}\r\nc{% endif %}\r\n",
        "  a  {% if true %}  b  {% endif %}  c  ",
        "\n\n{%- if true %}x{% endif %}\n\n",
        "{% for i in [1,2] %}\n  {{ i }}\n{% endfor %}\nend",
        "{% for i in [1,2] -%}\n  {{ i }}\n{%- endfor %}\nend",
        "\t{% if true %}\tx\t{% endif %}\t\n",
        "one\n\n",
        "{{ 'a' }}   \n   {% if true %}b{% endif %}",
        "}} %} #} { % { {",
        "{{'{'}}{{ {'a': {'b': 1}}['a']['b'] }}",
        "a\xa0\u3000{%- if true %}b{% endif %}",
        "{% if true %}{# c #}\n\n{% endif %}x",
        "text {\n# no",
        "{%if true%}tight{%endif%}",
        "{%-set x='a'-%}\n{{-x-}}\n{%-   if x   -%}\nq\n{%-endif-%}",
]):
    case(f"space {index}", text)

# Loops.
case("loop variables",
     "{% for x in xs %}{{ loop.index }},{{ loop.index0 }},{{ loop.revindex }},"
     "{{ loop.revindex0 }},{{ loop.first }},{{ loop.last }},{{ loop.length }},"
     "{{ loop.previtem }},{{ loop.nextitem }},{{ loop.depth }},"
     "{{ loop.depth0 }};{% endfor %}", xs=["a", "b", "c"])
case("loop previtem is undefined at first",
     "{% for x in xs %}{{ loop.previtem is defined }}"
     "{{ loop.nextitem is defined }}{% endfor %}", xs=[1, 2])
case("loop filter", "{% for x in xs if x is odd %}{{ loop.index }}/"
     "{{ loop.length }}:{{ x }} {% else %}none{% endfor %}", xs=NUMBERS)
case("loop filter without any",
     "{% for x in xs if x > 9 %}{{ x }}{% else %}none{% endfor %}", xs=NUMBERS)
case("loop else", "{% for x in [] %}x{% else %}empty{% endfor %}")
case("loop unpacks", "{% for a, b in xs %}{{ a }}={{ b }};{% endfor %}",
     xs=[[1, 2], [3, 4]])
case("loop over items", "{% for k, v in d.items() %}{{ k }}={{ v }};"
     "{% endfor %}", d={"b": 1, "a": [2]})
case("loop over a mapping", "{% for k in d %}{{ k }};{% endfor %}",
     d={"b": 1, "a": 2})
case("loop over text", "{% for c in 'aß水' %}[{{ c }}]{% endfor %}")
case("loop over undefined", "{% for x in nothing %}x{% endfor %}.")
case("loops inside",
     "{% for x in xs %}{% for y in ys %}{{ loop.index }}{{ loop.depth }}{{ x }}"
     "{{ y }} {% endfor %}{{ loop.index }}|{% endfor %}", xs=[1, 2], ys=[3, 4])
case("break", "{% for x in xs %}{% if x == 2 %}{% break %}{% endif %}{{ x }}"
     "{% endfor %}", xs=NUMBERS)
case("continue", "{% for x in xs %}{% if x == 2 %}{% continue %}{% endif %}"
     "{{ x }}{% endfor %}", xs=NUMBERS)
case("break inner only", "{% for x in xs %}{% for y in xs %}{% break %}"
     "{% endfor %}{{ x }}{% endfor %}", xs=NUMBERS)
case("set does not leave a loop",
     "{% set x = 0 %}{% for i in [1,2] %}{{ x }}{% set x = i %}{{ x }}"
     "{% endfor %}{{ x }}")
case("set leaves an if", "{% if true %}{% set x = 1 %}{% endif %}{{ x }}")
case("namespace in a loop",
     "{% set ns = namespace(found=false, n=0) %}{% for i in [1,2,3] %}"
     "{% if i == 2 %}{% set ns.found = true %}{% endif %}"
     "{% set ns.n = ns.n + i %}{% endfor %}{{ ns.found }}{{ ns.n }}"
     "{{ ns.other is defined }}")
case("namespace of a mapping", "{% set ns = namespace({'a': 1}, b=2) %}"
     "{{ ns.a }}{{ ns.b }}{{ ns['a'] }}")
case("loop cycle", "{% for x in xs %}{{ loop.cycle('a', 'b') }}{% endfor %}",
     xs=NUMBERS)
case("range", "{% for i in range(3) %}{{ i }}{% endfor %} "
     "{{ range(2, 10, 3) | list }} {{ range(3, 0, -1) | list }}")
case("loop variable keeps outside", "{% set x = 9 %}{% for x in [1] %}{{ x }}"
     "{% endfor %}{{ x }}")
case("loop over a conditional",
     "{% for x in (xs if xs else [7]) %}{{ x }}{% endfor %}", xs=[])
fails("loop over a number", "{% for x in 3 %}{% endfor %}")
fails("loop over none", "{% for x in none %}{% endfor %}")
fails("unpack too few", "{% for a, b in [[1]] %}{% endfor %}")

# If.
for value in (0, 1, 2):
    case(f"if {value}", "{% if x == 0 %}zero{% elif x == 1 %}one{% else %}many"
         "{% endif %}", x=value)
prints("inline if", ["'a' if true else 'b'", "'a' if false else 'b'",
                     "'a' if false", "'a' if false else 'b' if false else 'c'",
                     "('a' if x is defined else 'b') ~ 'z'"])
prints("truth", ["'y' if x else 'n'"], x=[])
prints("truth of mapping", ["'y' if x else 'n'"], x={"a": 1})
prints("logic", ["true and false", "1 and 'x'", "0 or 'x'", "'' or none",
                 "not true", "not not 1", "not x is defined", "not 1 == 2",
                 "a and b.c", "true or b.c", "1 < 2 and 2 < 3 or false"])

# Set.
case("set several", "{% set a, b = 1, 'x' %}{{ a }}{{ b }}")
case("set block", "{% set x %}a{{ 1 + 1 }}b{% endset %}[{{ x }}]")
case("set block with filters",
     "{% set x | trim | upper %}  a {{ 'b' }}  {% endset %}[{{ x }}]")
case("set tuple", "{% set x = 1, 2 %}{{ x }}{{ x[1] }}")
case("set inside of generation",
     "{% set x = 1 %}{% generation %}{% set x = 2 %}{{ x }}{% endgeneration %}"
     "{{ x }}")
case("with", "{% set a = 1 %}{% with a = 2, b = a %}{{ a }}{{ b }}{% endwith %}"
     "{{ a }}")
case("filter block", "{% filter upper | replace('B', 'x') %}abc{% endfilter %}")

# Macros.
case("macro", "{% macro m(a, b='x', c=none) %}[{{ a }}{{ b }}{{ c }}]"
     "{% endmacro %}{{ m(1) }}{{ m(1, 2) }}{{ m(1, c=3) }}{{ m(b=2, a=1) }}")
case("macro without argument", "{% macro m(a) %}[{{ a }}{{ a is defined }}]"
     "{% endmacro %}{{ m() }}")
case("macro calls itself", "{% macro f(n) %}{{ n }}{% if n > 0 %},{{ f(n - 1) }}"
     "{% endif %}{% endmacro %}{{ f(3) }}")
case("macro sees names of the template",
     "{% set x = 1 %}{% macro m() %}{{ x }}{% endmacro %}{% set x = 2 %}"
     "{{ m() }}")
case("macro does not see the loop of its caller",
     "{% macro m() %}{{ y is defined }}{% endmacro %}"
     "{% for y in [1] %}{{ m() }}{% endfor %}")
case("macro gives text", "{% macro m() %} 5 {% endmacro %}{{ m() | trim | int "
     "+ 1 }}{{ m() is string }}")
case("macro sets do not leave", "{% macro m() %}{% set q = 1 %}{% endmacro %}"
     "{{ m() }}{{ q is defined }}")
case("macro default from another", "{% macro m(a, b=a) %}{{ a }}{{ b }}"
     "{% endmacro %}{{ m(4) }}")
case("macro defined later is missing before",
     "{{ m is defined }}{% macro m() %}{% endmacro %}{{ m is defined }}")
fails("macro with too many", "{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}")
fails("macro with an unknown name",
      "{% macro m(a) %}{% endmacro %}{{ m(b=2) }}")
fails("macro without end", "{% macro m(n) %}{{ m(n) }}{% endmacro %}{{ m(1) }}")

# Undefined.
prints("undefined", ["x", "x is defined", "x is undefined", "x is none",
                     "x == y", "x | length", "x | default('d')", "x or 'e'",
                     "x ~ 'a'", "d.a", "d['a']", "d.a is defined",
                     "d.a | default('z')", "xs[9] is defined", "'a' in x",
                     "x | list", "x | join(',')", "x | trim", "x | upper",
                     "x is string", "x is iterable", "x is sequence",
                     "x is mapping", "x | first is defined", "'' ~ none",
                     "x | items | list", "x | string", "x | replace('a','b')",
                     "''[0] is defined", "x | select | list", "x is number"],
       d={"b": 1}, xs=[1])
for text in ("x.y", "x['y']", "x + 1", "x()", "x < 1", "x - 1", "-x", "d.a.b",
             "x.y.z", "xs[9].a", "x | tojson", "x | abs", "x[0]", "x[1:]",
             "'a' + x", "x * 2", "x in 'abc'"):
    fails(f"undefined fails: {text}", "{{ " + text + " }}", d={}, xs=[])

# Literals and printing.
prints("print", ["1", "1.0", "1.5", "1e3", "1e-7", "1e16", "123456789.125",
                 "0.1 + 0.2", "-3", "+3", "- 3.5", "true", "none", "'a'",
                 "[1, 'a', none, true, 1.5]", "(1, 2)", "(1,)", "()", "[]",
                 "{}", "{'a': 1, \"b\": [1, {'c': none}]}", "['it\\'s', \"q\\\"\"]",
                 "['a\\nb\\t\\\\']", "'a' 'b'", "'\\x41\\u00df\\n'", "1_000",
                 "{1: 'a', true: 'b', 'x': 2}", "[1, 2,]", "{'a': 1,}", "(1)",
                 "1.5e300 * 1e300", "'\\101'", "[['ß', '水']]", "'\\q'",
                 "1 if 1 else 2, 3", "00", "2.5e+3"])

# Operators.
prints("operator", ["7 + 2", "7 - 2", "7 * 2", "7 / 2", "6 / 2", "7 // 2",
                    "-7 // 2", "7 % 3", "-7 % 3", "7 % -3", "2 ** 10",
                    "2 ** -1", "7.5 // 2", "-7.5 % 2", "1 + 2 * 3 - 4",
                    "(1 + 2) * 3", "'a' + 'b'", "[1] + [2]", "(1,) + (2,)",
                    "'ab' * 3", "3 * 'ab'", "[1] * 2", "'a' * -1",
                    "1 ~ 'a' ~ none ~ 1.5", "'a' ~ 1 + 1", "2 ** 3 ** 2",
                    "-2 ** 2", "true + 1", "1 - -1", "10 - 2 - 3", "1 ~ 2 * 3",
                    "1 + 2 ~ 3", "not 1 + 1", "2 * 3 % 4"])
prints("comparison", ["1 == 1.0", "1 == '1'", "true == 1", "'a' < 'b'",
                      "'B' < 'a'", "1 < 1.5", "[1, 2] < [1, 3]", "[1] == [1]",
                      "(1,) == [1]", "{'a': 1} == {'a': 1.0}", "none == none",
                      "none == false", "1 != 2", "'ß' > 'z'", "1 < 2 < 3",
                      "3 > 2 > 2", "1 in [1, 2]", "'b' in 'abc'",
                      "'x' not in 'abc'", "'a' in {'a': 1}", "1 not in [2]",
                      "'' in 'abc'", "(1, 2) == (1, 2)", "2 >= 2", "2 <= 1",
                      "[1, 'a'] == [1, 'a']", "1 in {1: 2}", "'a' == 'a' == 'a'"])
for text in ("1 + 'a'", "'a' + 1", "none + 1", "[1] + (1,)", "1 / 0", "1 // 0",
             "1 % 0", "1 < 'a'", "none < 1", "1 in 2", "1 in 'abc'", "{} < {}",
             "'a' - 'b'", "-'a'", "none.x.y", "1()", "[1, 2].append(3)",
             "{}.update({})", "'a'.nothing()", "x.pop('a')"):
    fails(f"operator fails: {text}", "{{ " + text + " }}", x={"a": 1})

# Slices and subscripts.
prints("subscript", ["s[0]", "s[-1]", "s[1:3]", "s[:-1]", "s[::-1]", "s[::2]",
                     "s[-2:]", "s[5:1]", "s[5:1:-1]", "s[10:]", "s[:100]",
                     "xs[0]", "xs[-1]", "xs[1:]", "xs[:-1]", "xs[::-1]",
                     "xs[1:4:2]", "xs[-1:0:-2]", "xs[none:2]", "d['k']",
                     "d.k", "d['k'][0]", "d.k.0", "xs[1:][0]", "u[1]", "u[:2]",
                     "u[::-1]", "u | length", "xs[100:]", "xs[:0]", "d['items']",
                     "s[1]['upper']()", "xs[1]"],
       s="abcdefg", xs=NUMBERS, d={"k": [7, 8], "items": 5}, u="ß水x")

# Methods.
prints("method of text",
       ["'  a b '.strip()", "'xxaxx'.strip('x')", "'xyaxy'.lstrip('xy')",
        "'a  '.rstrip()", "'a\\n\\n'.rstrip('\\n')", "'a,b,,c'.split(',')",
        "' a  b '.split()", "'a,b,c'.split(',', 1)", "'a b c'.split(none, 1)",
        "'a,b,c'.rsplit(',', 1)", "'a</t>b'.split('</t>')[-1]",
        "'abc'.startswith('ab')", "'abc'.endswith(('x', 'c'))",
        "'abc'.startswith(('b', 'c'))", "'aBc'.upper()", "'aBc'.lower()",
        "'hello wORLD'.title()", "'hELLO'.capitalize()",
        "'aaa'.replace('a', 'b')", "'aaa'.replace('a', 'b', 2)",
        "'abc'.replace('', '-')", "'hello'.find('l')", "'hello'.rfind('l')",
        "'hello'.find('z')", "'äxö'.find('ö')", "'hello'.count('l')",
        "'-'.join(['a', 'b'])", "''.join([])", "'a\\nb\\r\\nc\\n'.splitlines()",
        "'a\\nb'.splitlines(true)", "'prefix'.removeprefix('pre')",
        "'suffix'.removesuffix('fix')", "'12'.isdigit()", "''.isdigit()",
        "'ab'.isalpha()", "' '.isspace()", "'AB'.isupper()", "'aB'.islower()",
        "'a1'.isalnum()", "'ä Ö'.upper()", "'Ä Ö'.lower()",
        "'\\u3000a\\u00a0'.strip()", "'äbä'.strip('ä')", "'abc'.index('c')",
        "'a'.split('b')", "''.split()", "''.split(',')", "'a b'.split(' ')",
        "'привет'.title()", "'ΑΒΓ'.lower()", "'x'.join('abc')"])
prints("method of mapping",
       ["d.get('a')", "d.get('z')", "d.get('z', 'q')", "d.items() | list",
        "d.keys() | list", "d.values() | list", "d.items is defined",
        "d.get is callable", "d.get('b').get('c')", "d['get'] is defined"],
       d={"a": 1, "b": {"c": 2}})
prints("method of list", ["xs.index(2)", "xs.count(3)", "(1, 2).index(2)"],
       xs=NUMBERS)
fails("index of what is not there", "{{ 'abc'.index('z') }}")
fails("empty separator", "{{ 'abc'.split('') }}")
fails("join of numbers", "{{ ','.join([1]) }}")

# Filters.
prints("filter", [
    "' a ' | trim", "'xax' | trim('x')", "'aB' | upper", "'aB' | lower",
    "'hello wORLD-two (x' | title", "'hELLO' | capitalize", "'' | capitalize",
    "xs | length", "'ß水' | length", "d | length", "xs | count",
    "xs | join", "xs | join(', ')", "'abc' | join('-')",
    "ms | join('|', attribute='role')", "none | default('x')",
    "none | default('x', true)", "'' | d('x', true)", "q | d", "q | d(5)",
    "xs | first", "xs | last", "'abc' | first", "[] | first is defined",
    "d | list", "'ab' | list", "d | tojson", "ms | tojson",
    "tool | tojson", "tool | tojson(indent=2)", "tool | tojson(indent=4)",
    "[] | tojson(indent=2)", "{} | tojson", "[{}] | tojson(indent=1)",
    "'a\"\\\\\\n\\t\\x01ß☃</x>&' | tojson", "[1.0, 1e20, true, none, -5] | tojson",
    "{1: 2, none: 3, true: 4} | tojson", "d | tojson(sort_keys=true)",
    "d | tojson(separators=(',', ':'))", "(1, 2) | tojson",
    "'aXbX' | replace('X', 'yy')", "'aaa' | replace('a', 'b', 1)",
    "ms | map(attribute='role') | list", "ms | map(attribute='role') | join(',')",
    "xs | map('string') | join('+')", "['a ', ' b'] | map('trim') | list",
    "['a', 'b'] | map('upper') | list", "ms | map(attribute='zz', default='-') | list",
    "[{'a': {'b': 1}}] | map(attribute='a.b') | list",
    "[[1, 2], [3, 4]] | map(attribute=1) | list",
    "[[1, 2], [3, 4]] | map('first') | list", "['a', 'b'] | map('replace', 'a', 'c') | list",
    "ms | selectattr('role', 'equalto', 'user') | list | length",
    "ms | selectattr('role', '==', 'user') | map(attribute='content') | list",
    "ms | rejectattr('role', 'eq', 'user') | map(attribute='role') | list",
    "ms | selectattr('role', 'in', ['user', 'tool']) | list | length",
    "ms | selectattr('zz') | list", "ms | selectattr('zz', 'defined') | list",
    "ms | rejectattr('zz', 'defined') | list | length",
    "xs | select('odd') | list", "xs | reject('odd') | list",
    "[0, 1, '', 'a'] | select | list", "xs | select('greaterthan', 2) | list",
    "xs | select('>', 2) | list", "xs | select('in', [1, 2]) | list",
    "['a', none] | select('string') | list", "xs | reject('divisibleby', 2) | list",
    "1.9 | int", "'12' | int", "' 12 ' | int", "'x' | int", "'x' | int(7)",
    "'3.7' | int", "none | int(default=3)", "true | int", "'1.5' | float",
    "1 | float", "'x' | float", "-5 | abs", "-5.5 | abs", "2.5 | round",
    "3.5 | round", "2.345 | round(2)", "2.1 | round(method='ceil')",
    "2.9 | round(method='floor')", "5 | round", "42.55 | round | int",
    "d | items | list", "d | dictsort", "d | dictsort(reverse=true)",
    "d | dictsort(by='value')", "'<a>' | safe", "'a\\nb\\n\\nc' | indent",
    "'a\\nb' | indent(2)", "'a\\nb' | indent(2, true)", "'a\\n\\nb' | indent(1, blank=true)",
    "'a\\nb' | indent('> ')", "xs | reverse | list", "'abc' | reverse",
    "xs | sort", "xs | sort(reverse=true)", "['b', 'A', 'a'] | sort",
    "['b', 'A', 'a'] | sort(case_sensitive=true)",
    "ms | sort(attribute='role') | map(attribute='role') | list",
    "[1, 2, 1, 3] | unique | list", "['a', 'A', 'b'] | unique | list",
    "xs | sum", "ms2 | sum(attribute='n')", "xs | sum(start=10)", "xs | min",
    "xs | max", "['b', 'A'] | min", "[] | max is defined", "'<&\">' | escape",
    "'<' | e", "5 | string", "5 | string | length", "none | string", "[1] | string",
    "[1, 2, 3, 4, 5] | batch(2) | list", "[1, 2, 3] | batch(2, 'x') | list",
    "'one two, three' | wordcount", "-3 | abs + 1", "'a' ~ 'b' | upper",
    "xs | map('int') | sum", "'a b' | title | length", "2.5 | int + 1",
    "xs | first | string ~ 'x'", "ms | map('length') | list",
    "(xs | length) * 2", "xs[1:] | join('/')", "d.items() | list | length",
    "ms | last", "(ms | last).role", "ms | length > 3", "'a' | default('b') | upper"],
    xs=NUMBERS, ms=MESSAGES, d={"b": 2, "a": 3}, tool=TOOL,
    ms2=[{"n": 1}, {"n": 2.5}])
for text in ("5 | length", "'x' | abs", "1 | join", "5 | items | list", "[1, 'a'] | sort",
             "'a' | nosuchfilter", "xs | map('nosuch') | list", "[[]] | sum",
             "'a' | trim(1, 2)", "'a' | upper(1)", "1 | tojson(bad=1)",
             "none | first", "xs | select('nosuch') | list"):
    fails(f"filter fails: {text}", "{{ " + text + " }}", xs=[1])

# Tests.
prints("test", [f"{value} is {test}" for value in
                ("1", "1.5", "true", "none", "'a'", "'A'", "''", "[1]", "(1,)",
                 "{'a': 1}", "nothing")
                for test in ("defined", "undefined", "none", "string",
                             "mapping", "iterable", "sequence", "number",
                             "integer", "float", "boolean", "true", "false",
                             "callable")])
prints("test", ["1 is odd", "2 is even", "3 is divisibleby 3",
                "3 is divisibleby(2)", "1 is eq 1", "1 is equalto(2)",
                "1 is not eq 2", "1 is in [1]", "1 is not in [1]", "2 is gt 1",
                "2 is lt 1", "2 is ge 2", "2 is le 1", "2 is ne 2",
                "1 is sameas 1", "none is sameas none", "'ABC' is upper",
                "'abc' is lower", "'' is upper", "1 is not none",
                "not 1 is none", "1 is defined and 2 is defined",
                "1 is defined or 2 is none", "1 + 1 is number",
                "'a' if 1 is none else 'b'", "'a' ~ 1 is number",
                "range is callable", "1 is number",
                "2 is greaterthan 1", "1 is lessthan 2"])
fails("test fails: nosuch", "{{ 1 is nosuch }}")
fails("test fails: odd text", "{{ 'a' is odd }}")

# Functions.
prints("function", ["dict(a=1, b=2)", "dict({'a': 1}, b=2).b",
                    "namespace(a=1).a", "strftime_now('%d %b %Y')",
                    "strftime_now('%Y-%m-%d')", "range(3) | list | length",
                    "raise_exception is defined", "namespace().x is defined"])
fails("raise_exception", "{{ raise_exception('no') }}")
fails("range of text", "{{ range('a') }}")

# Syntax.
for text in ("{% if %}{% endif %}", "{% if true %}", "{% endif %}", "{{ 1 +}}",
             "{{ (1 }}", "{{ 1 ) }}", "{{ 'a }}", "{{ }}", "{% for %}",
             "{% for x in %}{% endfor %}", "{% set = 1 %}", "{% set x %}",
             "{{ a.'b' }}", "{{ a..b }}", "{{ [1 }}", "{{ {1} }}", "{% nosuch %}",
             "{{ a b }}", "{# open", "{% raw %}x", "{{ a[ }}", "{% break %}",
             "{% macro %}{% endmacro %}", "{{ x | }}", "{{ x is }}", "{{ 'a", "{%",
             "{{", "{{ $ }}", "{{ f(a=1, 2) }}", "{% elif x %}", "{{ 1 if }}",
             "{% for x in [] %}{% endif %}", "{{ not }}", "{{ '\\x4' }}"):
    fails(f"syntax: {text}", text)
