"""`generator schema`: prints the JSON Schema of a config, or the reference pages made from it."""

import argparse
import json

from generator import app
from generator.cli import flags, output
from generator.config import explain, validate
from generator.errors import Exit

DESCRIPTION = "Print the JSON Schema (draft-07) of a config. Editors validate and complete with it."
EXAMPLES = """\
  generator schema > values-schema.json
  generator schema --markdown            every key as a table (docs/config.md)
  generator schema --rules               every rule (docs/rules.md)

  In an editor with the YAML language server, the first line of a config may be:
  # yaml-language-server: $schema=values-schema.json
"""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `schema`."""
    flags.add_format(parser)
    page = parser.add_mutually_exclusive_group()
    page.add_argument("--markdown", action="store_true", help="every key, as a page")
    page.add_argument("--rules", action="store_true", help="every rule, as a page")


def run(args: argparse.Namespace) -> Exit:
    """Print the schema or a page."""
    if args.format == "json" and args.rules:
        rows = validate.catalogue().items()
        output.write_json([explain.rule_data(code, severity, text) for code, (severity, text) in rows])
    elif args.format == "json" and args.markdown:
        output.write_json([explain.key_data(key) for key in explain.keys(app.schema())])
    elif args.rules:
        output.write(explain.rules_page(validate.catalogue()))
    elif args.markdown:
        output.write(explain.config_page(app.schema()))
    else:
        output.write(json.dumps(app.schema(), indent=2, ensure_ascii=False) + "\n")
    return Exit.DONE
