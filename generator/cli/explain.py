"""`generator explain`: what a key or a rule means."""

import argparse
import sys

from generator.cli import common
from generator.config import explain, validate
from generator.errors import Exit

DESCRIPTION = "Explain one key of a config, or one rule. Without KEY: the keys at the top."
EXAMPLES = """\
  generator explain
  generator explain modelsRuntime
  generator explain modelsRuntime.extraValues.runtime.scaling
  generator explain queueLength          a name alone is enough
  generator explain SD202
"""


def add(subparsers: common.Subparsers) -> None:
    """The flags of `explain`."""
    parser = common.command(subparsers, "explain", DESCRIPTION, EXAMPLES)
    parser.add_argument("key", metavar="KEY", nargs="?", default="", help="a key, or a code such as SD202")


def run(args: argparse.Namespace) -> Exit:
    """Print the key, or say which one may be meant."""
    schema = common.schema()
    if not args.key:
        print(f"{schema['title']}: {schema['description']}")
        print(explain.fields((), schema, schema), end="")
        return Exit.DONE
    if (code := args.key.upper()) in (rules := validate.catalogue()):
        severity, words = rules[code]
        print(f"{code} ({severity.value}): {words}")
        return Exit.DONE
    found = explain.find(schema, args.key)
    if not found:
        close = explain.suggestion(schema, args.key)
        hint = f"did you mean {close!r}?" if close else "`generator explain` lists the keys at the top"
        print(f"generator: no key and no rule {args.key!r}: {hint}", file=sys.stderr)
        return Exit.CONFIG
    print("\n".join(explain.page(key, schema) for key in found), end="")
    return Exit.DONE
