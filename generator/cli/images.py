"""`generator images`: lists every container image of a config, and how it gets to where nodes pull it."""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from generator import app
from generator.app import Solved
from generator.aws import ecr, errors, identity
from generator.aws.asker import Asker
from generator.aws.clients import Aws
from generator.cli import flags, image_building, output
from generator.deploy import charts, runtimes
from generator.deploy.helm import HelmError
from generator.deploy.job import RefusedError
from generator.errors import Exit
from generator.facts import image_reference
from generator.images import check as images_check
from generator.images import digests as image_digests
from generator.images import images, snapshot
from generator.images import script as copy_script
from generator.images.digests import DigestResult
from generator.images.images import Image
from generator.solution.model import Solution

DESCRIPTION = "List every container image of a config, and how it gets to the registry that nodes use."
EXAMPLES = """\
  generator images config.yaml                             what is pulled, copied, built
  generator images config.yaml --script > images.sh        a script that copies and builds
  generator images config.yaml --script --tool skopeo      with another tool
  generator images config.yaml --digests                   ask the registries for the digest of each image
  generator images config.yaml --script --digests          copy by digest
  generator images config.yaml --verify                    compare with the images that the charts use
  generator images config.yaml --snapshot sdxl-turbo       the command that makes an EBS snapshot of them
  generator images config.yaml --lock                      lock what custom nodes of ComfyUI need
  generator images config.yaml --codebuild                 build images with AWS CodeBuild: no Docker here
"""
HOW = {
    "copied": "to copy",
    "pulled": "public",
    "built": "to build",
    "yours": "yours",
    "eks": "EKS's own",
}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `images`."""
    flags.add_config(parser)
    flags.add_format(parser)
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--script", action="store_true", help="print a shell script that copies and builds")
    group.add_argument(
        "--verify", action="store_true", help="render the charts and print the images that the list lacks"
    )
    group.add_argument(
        "--snapshot",
        metavar="RUNTIME",
        help="print the call of AWS's bottlerocket-images-cache that makes a snapshot of its images",
    )
    group.add_argument(
        "--lock",
        action="store_true",
        help="write the lock of each runtime with custom nodes, next to the config (needs git and uv)",
    )
    group.add_argument(
        "--codebuild",
        action="store_true",
        help="build the images that ECR does not have with AWS CodeBuild, and print their digests",
    )
    parser.add_argument(
        "--digests", action="store_true", help="ask the registries for each image's digest; copy by digest"
    )
    parser.add_argument(
        "--tool",
        choices=copy_script.TOOLS,
        default="crane",
        help="the tool that the script copies with (default: crane)",
    )
    building = parser.add_argument_group("codebuild")
    building.add_argument("--again", action="store_true", help="build images that ECR has, too")
    building.add_argument("--dry-run", action="store_true", help="print the commands, change nothing")
    building.add_argument("-y", "--yes", action="store_true", help="do not ask for confirmation")
    flags.add_output(parser)


def run(args: argparse.Namespace) -> Exit:
    """Print the list, the script or a command, compare the list with the charts, lock nodes, or build."""
    if args.script and args.format == "json":
        return output.fail("images", "a script is not JSON: leave out --script or --format", Exit.CONFIG)
    solved = flags.solved(args)
    listed = images.images(solved.solution)
    done = _other(solved, listed, args)
    if done is not None:
        return done
    digests = _digests(listed, solved.solution) if args.digests else {}
    if args.script:
        build = str(args.output / solved.solution.stack)
        output.write(copy_script.script(image_digests.pinned(listed, digests), args.tool, build))
    elif args.format == "json":
        rows = [{**asdict(image), **_as_data(digests.get(image.name))} for image in listed]
        output.write(json.dumps(rows, indent=2) + "\n")
    else:
        _print(listed, digests, args)
    for name, answer in digests.items():
        if answer.digest is None:
            print(f"no digest of {name}: {answer.reason}", file=sys.stderr)
    return Exit.AWS if digests and image_digests.missing(listed, digests) else Exit.DONE


def _other(solved: Solved, listed: Sequence[Image], args: argparse.Namespace) -> Exit | None:
    """What the flags ask for instead of the list; None: the list, or the script that copies it."""
    if args.snapshot:
        return _print_snapshot(solved.solution, args)
    if args.lock:
        return image_building.lock(solved, args)
    if (args.script or args.codebuild) and (reason := image_building.unlocked(solved.solution)):
        return output.fail("images", reason, Exit.CONFIG)
    if args.codebuild:
        return image_building.build(solved, listed, args)
    if args.verify:
        return _verify(solved, listed, args)
    return None


def _print_snapshot(solution: Solution, args: argparse.Namespace) -> Exit:
    """Print the command that makes a snapshot with the images of a runtime."""
    if args.format == "json":
        return output.fail("images", "a command is not JSON: leave out --snapshot or --format", Exit.CONFIG)
    try:
        output.write(snapshot.command(solution, runtimes.named(solution, args.snapshot)) + "\n")
    except RefusedError as error:
        return output.fail("images", error, Exit.CONFIG)
    return Exit.DONE


def _print(listed: Iterable[Image], digests: Mapping[str, DigestResult], args: argparse.Namespace) -> None:
    table = output.new_table("how", "part", "image", *(("digest",) if digests else ()), "source")
    for image in listed:
        source = "" if image.source == image.name else image.source
        digest = (digests[image.name].digest or "",) if digests else ()
        output.add_row(table, (HOW[image.how], image.part, image.name, *digest, source))
    output.print_table(table, args)


def _as_data(answer: DigestResult | None) -> dict[str, str | None]:
    return {"digest": answer.digest} if answer else {}


def _digests(listed: Iterable[Image], solution: Solution) -> dict[str, DigestResult]:
    """The digests by image name: ECR is asked with the current credentials, other registries without any.

    Raises CredentialsError, once for all images, where ECR cannot be asked.
    """
    asker = Asker(Aws(solution.region))
    if any(image_reference.parse(image.name).ecr for image in listed):
        identity.identity(asker.clients)

    def ask(name: str) -> DigestResult:
        image = image_reference.parse(name)
        if image.ecr is None:
            return image_digests.of_registry(name)
        try:
            digest = ecr.digest(image, asker)
        except errors.refusals() as error:
            return DigestResult(None, errors.reason(error))
        return DigestResult(digest, "" if digest else "it is not in ECR")

    return image_digests.digests(listed, ask)


def _verify(solved: Solved, listed: Sequence[Image], args: argparse.Namespace) -> Exit:
    chart = charts.best(solved.solution.versions.eks)
    try:
        manifests = app.render(solved, chart)
    except HelmError as error:
        return output.fail("images", error, Exit.CONFIG)
    missing = images_check.unlisted(manifests, [image.name for image in listed])
    if args.format == "json":
        output.write_json({"chart": chart, "notListed": list(missing)})
    else:
        print(
            "\n".join(f"not listed: {name}" for name in missing) or f"the list holds every image of {chart}"
        )
    return Exit.BUG if missing else Exit.DONE
