"""`generator images`: lists every container image of a config, and how it gets to where nodes pull it."""

import json
import sys
from argparse import Namespace
from dataclasses import asdict

from generator import images, images_script
from generator.commands import common
from generator.errors import Exit

EXAMPLES = """\
  generator images config.yaml                             what is pulled, copied, built
  generator images config.yaml --script > images.sh        a script that copies and builds
  generator images config.yaml --script --tool skopeo      with another tool
"""
HOW = {
    "copied": "to copy",
    "pulled": "public",
    "built": "to build",
    "yours": "yours",
    "eks": "EKS's own",
}


def add(subparsers: common.Subparsers) -> None:
    """Declare the command."""
    parser = common.command(subparsers, "images", __doc__ or "", EXAMPLES)
    common.add_config(parser)
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    output.add_argument("--script", action="store_true", help="print a shell script that copies and builds")
    parser.add_argument(
        "--tool",
        choices=images_script.TOOLS,
        default="crane",
        help="what the script copies with (default: crane)",
    )


def run(args: Namespace) -> Exit:
    """Print the list, or the script."""
    found = images.images(common.load_solution(args))
    if args.script:
        sys.stdout.write(images_script.script(found, args.tool))
    elif args.format == "json":
        sys.stdout.write(json.dumps([asdict(image) for image in found], indent=2) + "\n")
    else:
        width = max(len(image.part) for image in found)
        for image in found:
            origin = "" if image.source == image.name else f"  <- {image.source}"
            print(f"{HOW[image.how]:10} {image.part:{width}} {image.name}{origin}")
    return Exit.DONE
