"""`generator render`: prints the Kubernetes manifests of a config."""

import argparse
from pathlib import Path

from generator import app, yaml_loader
from generator.app import Solved
from generator.build import files, manifests
from generator.build import folder as build_folder
from generator.build.folder import NotOursError
from generator.cli import flags, output
from generator.deploy.helm import HelmError
from generator.errors import Exit

EXAMPLES = """\
  generator render config.yaml                          manifests on standard output
  generator render config.yaml | kubectl diff -f -      against a live cluster
  generator render config.yaml --chart sd-runtimes      without Karpenter, KEDA and the CSI driver
  generator render config.yaml --output clusters/gpu    one file for each object, for Argo CD or Flux
"""
DESCRIPTION = """\
Run `helm template` with the values that `generator build` would write, and print the manifests.
With --output, write one file for each object, and kustomization.yaml, which lists them: a folder that can be
committed. The same config gives the same bytes, nothing is looked up in a cluster, and there are no Helm
hooks. Files of an earlier run are replaced; files that you added stay.
"""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `render`."""
    flags.add_config(parser)
    flags.add_format(parser)
    default = f"{files.UMBRELLA} after `make deps`, else {files.RUNTIMES_ALONE}"
    flags.add_chart(parser, None, default)
    help_text = "folder for the manifests, instead of standard output"
    parser.add_argument("-o", "--output", metavar="DIR", type=Path, help=help_text)


def run(args: argparse.Namespace) -> Exit:
    """Print the manifests of one config, or write them to a folder."""
    solved = flags.solved(args)
    if args.chart == files.UMBRELLA and solved.solution.existing_cluster:
        reason = f"{args.chart} has a Karpenter of its own, and the config names an existing cluster"
        return output.fail("render", f"{reason}: use --chart {files.RUNTIMES_ALONE}", Exit.CONFIG)
    try:
        if args.output is not None:
            return _write(solved, args)
        rendered = app.render(solved, args.chart)
    except HelmError as error:
        return output.fail("render", error, Exit.CONFIG)
    if args.format == "json":
        output.write_json([manifest for manifest in yaml_loader.load_all(rendered) if manifest])
    else:
        output.write(rendered)
    return Exit.DONE


def _write(solved: Solved, args: argparse.Namespace) -> Exit:
    """Write the folder and print the paths of its files."""
    try:
        written = manifests.files(app.render(solved, args.chart, whole=True))
        build_folder.replace(args.output, written, build_folder.RENDER)
    except NotOursError as error:
        return output.fail("render", f"{error}: choose another folder with --output", Exit.CONFIG)
    except OSError as error:
        return output.fail("render", f"cannot write {error.filename}: {error.strerror}", Exit.CONFIG)
    paths = [str(args.output / path) for path in written]
    if args.format == "json":
        output.write_json({"folder": str(args.output), "files": paths})
    else:
        print("\n".join(paths))
    return Exit.DONE
