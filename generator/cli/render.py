"""`generator render`: prints the Kubernetes manifests of a config."""

import argparse
import sys

from generator.build import files
from generator.cli import building, common
from generator.deploy import helm
from generator.errors import Exit

EXAMPLES = """\
  generator render config.yaml                          manifests on standard output
  generator render config.yaml | kubectl diff -f -      against a live cluster
  generator render config.yaml --chart sd-runtimes      without Karpenter, KEDA and the CSI driver
"""
DESCRIPTION = """\
Run Helm over the values that `generator build` would write, and print the manifests. Nothing is written.
"""


def add(subparsers: common.Subparsers) -> None:
    """Declare the command."""
    parser = common.command(subparsers, "render", DESCRIPTION, EXAMPLES)
    common.add_config(parser)
    said = f"{files.UMBRELLA} if `make deps` pulled its dependencies, else {files.RUNTIMES_ALONE}"
    building.add_chart(parser, None, said)


def run(args: argparse.Namespace) -> Exit:
    """Print the manifests of one config."""
    config = common.load_document(args)
    solution = common.solve(config, args)
    eks = solution.versions.eks
    chart: str = args.chart or helm.best_chart(eks)
    built = building.built(config, solution, chart)
    try:
        sys.stdout.write(helm.template(solution.stack, helm.chart_folder(chart, eks), eks, built))
    except helm.HelmError as error:
        print(f"generator: {error}".rstrip(), file=sys.stderr)
        return Exit.CONFIG
    return Exit.DONE
