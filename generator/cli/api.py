"""`generator api`: prints the URL of the deployed HTTP API and a key, as a shell sets them."""

import argparse

from generator import jobs
from generator.cli import flags, output
from generator.client import exports
from generator.deploy import account, api
from generator.deploy.job import RefusedError
from generator.errors import AwsError, Exit
from generator.solution import names

DESCRIPTION = "Print the URL of the deployed HTTP API and a key, as lines that a shell can run."
EXAMPLES = """\
  eval "$(generator api config.yaml)"                    sets API_URL and API_KEY
  generator api config.yaml --key web-shop               those of an application
  generator api config.yaml --format json                for programs
"""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `api`."""
    flags.add_config(parser)
    flags.add_output(parser)
    flags.add_format(parser)
    parser.add_argument(
        "--key",
        metavar="NAME",
        default=names.OWN_API_KEY,
        help="the name of the key (default: the solution's own)",
    )


def run(args: argparse.Namespace) -> Exit:
    """Ask API Gateway and print."""
    try:
        job = account.check(jobs.over_build(flags.solved(args).solution, args.output, output.terminal(args)))
        client = api.client(job, args.key)
    except (RefusedError, AwsError, OSError) as error:
        return output.stopped("api", error)
    if args.format == "json":
        output.write_json({"apiUrl": client.url, "apiKey": client.key})
    else:
        print(exports(client))
    return Exit.DONE
