#!/usr/bin/env python3
"""Writes tests/model/data/template_cases.json: what Jinja2 makes of templates.

Needs python3 with jinja2 3.1. The environment is set up as Hugging Face
documents it for chat templates. Also writes the templates as seeds for
tests/fuzz/template_fuzz.cc. Run it again after adding a case:

    tests/tools/make_template_cases.py tests/model/data tests/fuzz/template_corpus
"""

import json
import os
import re
import sys

import jinja2
import jinja2.ext
import jinja2.sandbox
from jinja2.runtime import Undefined

from template_cases import CASES, FAMILIES

NOW = "2024-07-26"


class Generation(jinja2.ext.Extension):
    """The block {% generation %}: its body, with names of its own."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        call = self.call_method("_body")
        return jinja2.nodes.CallBlock(call, [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


def environment():
    env = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=[Generation, jinja2.ext.loopcontrols],
    )

    def tojson(x, ensure_ascii=False, indent=None, separators=None,
               sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent,
                          separators=separators, sort_keys=sort_keys)

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def strftime_now(format):
        import datetime
        return datetime.datetime.strptime(NOW, "%Y-%m-%d").strftime(format)

    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = strftime_now
    return env


def render(case):
    """The text, or None where rendering fails."""
    context = {"messages": [], "add_generation_prompt": True, "tools": None,
               "documents": None, "bos_token": "<s>", "eos_token": "</s>"}
    context.update(case.get("context", {}))
    try:
        return environment().from_string(case["template"]).render(**context)
    except Exception as error:  # whatever Python raises, it is a failure
        if "-v" in sys.argv:
            print(case["name"], type(error).__name__, error)
        return None


def main():
    folder = sys.argv[1]
    for name, cases in (("template_cases", CASES),
                        ("template_families", FAMILIES)):
        out = []
        for case in cases:
            text = render(case)
            wanted = case.get("expected")
            if wanted is not None and text != wanted:
                sys.exit(f"{case['name']}: Jinja2 gives\n{text!r}\nnot\n"
                         f"{wanted!r}")
            if text is None and not (case.get("fails") or case.get("either")):
                sys.exit(f"{case['name']}: Jinja2 cannot render it")
            if text is not None and case.get("fails"):
                sys.exit(f"{case['name']}: should fail, gives {text!r}")
            out.append({"name": case["name"], "template": case["template"],
                        "context": case.get("context", {}), "expected": text})
        with open(f"{folder}/{name}.json", "w", encoding="utf-8") as file:
            json.dump(out, file, ensure_ascii=False, indent=1)
            file.write("\n")
    write_seeds(sys.argv[2])


def write_seeds(folder):
    """The families each, the small cases of a kind together."""
    seeds = {}
    for case in FAMILIES:
        seeds[case["name"]] = case["template"]
    for case in CASES:
        if case.get("fails"):
            continue
        kind = "case " + re.split("[ :]", case["name"])[0]
        seeds[kind] = seeds.get(kind, "") + case["template"] + "\n"
    os.makedirs(folder, exist_ok=True)
    for name, template in seeds.items():
        name = re.sub("[^a-z0-9]+", "-", name)
        with open(f"{folder}/{name}.jinja", "w", encoding="utf-8") as file:
            file.write(template)


if __name__ == "__main__":
    main()
