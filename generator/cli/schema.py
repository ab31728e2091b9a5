"""`generator schema`: the contract of a config, for editors and as pages."""

import argparse
import json
import sys

from generator.cli import common
from generator.config import explain, validate
from generator.errors import Exit

DESCRIPTION = "Print the JSON Schema (draft-07) of a config. Editors check and complete with it."
EXAMPLES = """\
  generator schema > values-schema.json
  generator schema --markdown            every key as a table (docs/config.md)
  generator schema --rules               every rule (docs/rules.md)

  In an editor with the YAML language server, the first line of a config may be:
  # yaml-language-server: $schema=values-schema.json
"""


def add(subparsers: common.Subparsers) -> None:
    """The flags of `schema`."""
    parser = common.command(subparsers, "schema", DESCRIPTION, EXAMPLES)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--markdown", action="store_true", help="every key, as a page")
    what.add_argument("--rules", action="store_true", help="every rule, as a page")


def run(args: argparse.Namespace) -> Exit:
    """Print it."""
    if args.rules:
        sys.stdout.write(explain.rules_page(validate.catalogue()))
    elif args.markdown:
        sys.stdout.write(explain.config_page(common.schema()))
    else:
        sys.stdout.write(json.dumps(common.schema(), indent=2, ensure_ascii=False) + "\n")
    return Exit.DONE
