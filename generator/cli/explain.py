"""`generator explain`: what a key or a rule means."""

import argparse

from generator import app
from generator.cli import flags, output
from generator.config import explain, validate
from generator.errors import Exit

DESCRIPTION = "Explain one key of a config, or one rule. Without KEY: list the top-level keys."
EXAMPLES = """\
  generator explain
  generator explain modelsRuntime
  generator explain modelsRuntime.extraValues.runtime.scaling
  generator explain queueLength          the name alone is enough
  generator explain SD202
"""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `explain`."""
    flags.add_format(parser)
    parser.add_argument("key", metavar="KEY", nargs="?", default="", help="a key, or a code such as SD202")


def run(args: argparse.Namespace) -> Exit:
    """Print the key or the rule; for an unknown one, the nearest key."""
    schema, as_json = app.schema(), args.format == "json"
    if not args.key and as_json:
        output.write_json([explain.key_data(key) for key in explain.keys(schema) if len(key.steps) == 1])
        return Exit.DONE
    if not args.key:
        print(f"{schema['title']}: {schema['description']}")
        print(explain.fields((), schema, schema), end="")
        return Exit.DONE
    if (code := args.key.upper()) in (rules := validate.catalogue()):
        severity, text = rules[code]
        if as_json:
            output.write_json(explain.rule_data(code, severity, text))
        else:
            print(explain.rule_page(code, severity, text), end="")
        return Exit.DONE
    keys = explain.find(schema, args.key)
    if not keys:
        nearest = explain.suggestion(schema, args.key)
        hint = f"did you mean {nearest!r}?" if nearest else "`generator explain` lists the top-level keys"
        return output.fail("explain", f"no key and no rule {args.key!r}: {hint}", Exit.CONFIG)
    if as_json:
        output.write_json([explain.key_data(key) for key in keys])
    else:
        print("\n".join(explain.page(key, schema) for key in keys), end="")
    return Exit.DONE
