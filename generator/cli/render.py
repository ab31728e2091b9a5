"""`generator render`: prints the Kubernetes manifests of a config."""

import argparse

import yaml

from generator import app
from generator.build import files
from generator.cli import flags, output
from generator.deploy.helm import HelmError
from generator.errors import Exit

EXAMPLES = """\
  generator render config.yaml                          manifests on standard output
  generator render config.yaml | kubectl diff -f -      against a live cluster
  generator render config.yaml --chart sd-runtimes      without Karpenter, KEDA and the CSI driver
"""
DESCRIPTION = """\
Run `helm template` with the values that `generator build` would write, and print the manifests. Nothing is
written.
"""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `render`."""
    flags.add_config(parser)
    flags.add_format(parser)
    default = f"{files.UMBRELLA} after `make deps`, else {files.RUNTIMES_ALONE}"
    flags.add_chart(parser, None, default)


def run(args: argparse.Namespace) -> Exit:
    """Print the manifests of one config."""
    try:
        manifests = app.render(flags.solved(args), args.chart)
    except HelmError as error:
        return output.fail("render", error, Exit.CONFIG)
    if args.format == "json":
        output.write_json([manifest for manifest in yaml.safe_load_all(manifests) if manifest])
    else:
        output.write(manifests)
    return Exit.DONE
