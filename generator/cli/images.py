"""`generator images`: lists every container image of a config, and how it gets to where nodes pull it."""

import json
import sys
from argparse import Namespace
from collections.abc import Iterable, Mapping
from dataclasses import asdict

from generator.aws import clients as aws
from generator.aws.clients import Aws
from generator.cli import building, common
from generator.deploy import helm
from generator.errors import Exit
from generator.images import check as images_check
from generator.images import digests as image_digests
from generator.images import images
from generator.images import script as copy_script
from generator.images.digests import DigestResult
from generator.images.images import Image
from generator.preflight import registry
from generator.preflight.check import Asker
from generator.solution.model import Solution

EXAMPLES = """\
  generator images config.yaml                             what is pulled, copied, built
  generator images config.yaml --script > images.sh        a script that copies and builds
  generator images config.yaml --script --tool skopeo      with another tool
  generator images config.yaml --digests                   ask the registries what is behind each name
  generator images config.yaml --script --digests          copy exactly that
  generator images config.yaml --verify                    compare with what the charts really name
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
    output.add_argument(
        "--verify", action="store_true", help="render the charts and say which image the list lacks"
    )
    parser.add_argument(
        "--digests", action="store_true", help="ask the registries for each image's digest; copy by it"
    )
    parser.add_argument(
        "--tool",
        choices=copy_script.TOOLS,
        default="crane",
        help="what the script copies with (default: crane)",
    )


def run(args: Namespace) -> Exit:
    """Print the list, or the script; or compare."""
    config = common.load_document(args)
    solution = common.solve(config, args)
    found = images.images(solution)
    if args.verify:
        chart = helm.best_chart(solution.versions.eks)
        return _verify(building.built(config, solution, chart), chart, solution, found)
    digests = _digests(found, solution) if args.digests else {}
    if args.script:
        sys.stdout.write(copy_script.script(image_digests.pinned(found, digests), args.tool))
    elif args.format == "json":
        rows = [{**asdict(image), **_known(digests.get(image.name))} for image in found]
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
    else:
        _print(found, digests)
    for name, answer in digests.items():
        if answer.digest is None:
            print(f"no digest of {name}: {answer.reason}", file=sys.stderr)
    return Exit.AWS if digests and image_digests.missing(found, digests) else Exit.DONE


def _print(found: Iterable[Image], digests: Mapping[str, DigestResult]) -> None:
    width = max(len(image.part) for image in found)
    for image in found:
        origin = "" if image.source == image.name else f"  <- {image.source}"
        known = digests[image.name].digest if digests else None
        print(f"{HOW[image.how]:10} {image.part:{width}} {image.name}{origin}{f'  {known}' if known else ''}")


def _known(answer: DigestResult | None) -> dict[str, str | None]:
    return {"digest": answer.digest} if answer else {}


def _digests(found: Iterable[Image], solution: Solution) -> dict[str, DigestResult]:
    """ECR is asked with the credentials that there are, other registries without any."""
    asker = Asker(Aws(solution.region))

    def ask(name: str) -> DigestResult:
        image = registry.parsed(name)
        if image is None:
            return image_digests.of_registry(name)
        try:
            digest = registry.digest(image, asker)
        except aws.refusals() as error:
            return DigestResult(None, aws.reason(error))
        return DigestResult(digest, "" if digest else "it is not in ECR")

    return image_digests.digests(found, ask)


def _verify(built: Mapping[str, str], chart: str, solution: Solution, found: Iterable[Image]) -> Exit:
    eks = solution.versions.eks
    try:
        manifests = helm.template(solution.stack, helm.chart_folder(chart, eks), eks, built)
    except helm.HelmError as error:
        print(f"generator images: {error}".rstrip(), file=sys.stderr)
        return Exit.CONFIG
    missing = images_check.unlisted(manifests, [image.name for image in found])
    for image in missing:
        print(f"not listed: {image}")
    if not missing:
        print(f"the list holds every image of {chart}")
    return Exit.BUG if missing else Exit.DONE
