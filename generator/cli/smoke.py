"""`generator smoke`: sends one task through the deployed HTTP API and waits for its picture."""

import argparse
import json
import sys
from pathlib import Path

from generator import client
from generator.cli import common, deploying
from generator.deploy import smoke
from generator.errors import Exit

EXAMPLES = """\
  generator smoke config.yaml                                   a small picture from the first SD WebUI
  generator smoke config.yaml --runtime comfyui --task examples/requests/comfyui-pipeline.json
  generator smoke config.yaml --runtime any-model --model sd_xl_base_1.0.safetensors
"""

NOT_LET_IN = (
    "The key is the one that the stack made. A new one needs a minute; an older one was switched off, or "
    "taken out of its usage plan: API Gateway's console shows both."
)
NO_LICENCE = (
    "In China API Gateway answers an account without an ICP licence in this way: docs/china.md has the way "
    "past it."
)


def add(subparsers: common.Subparsers) -> None:
    """Declare the command."""
    parser = common.command(subparsers, "smoke", __doc__ or "", EXAMPLES)
    deploying.add_flags(parser)
    parser.add_argument("--runtime", metavar="NAME", help="which runtime (default: the first SD WebUI)")
    parser.add_argument("--task", metavar="FILE", help="the task to send, as JSON")
    parser.add_argument("--model", metavar="FILE", help="the checkpoint, for a runtime with a dynamic model")
    parser.add_argument("--wait", type=float, default=20.0, metavar="MINUTES", help="default: 20")
    parser.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="where pictures go (here)")


def run(args: argparse.Namespace) -> Exit:
    """Send it."""
    try:
        return _run(args)
    except deploying.STOPS as error:
        return deploying.reported("smoke", error)
    except client.TaskRefusedError as error:
        return _ended(error, Exit.CONFIG)
    except (client.ApiUnreachableError, client.TooLongError) as error:
        return _ended(error, Exit.AWS)


def _run(args: argparse.Namespace) -> Exit:
    job = deploying.job(args, build=False)
    task = client.parsed(common.read(args.task), common.shown(args.task)) if args.task else None
    body = smoke.body(smoke.choose(job, args.runtime), task, args.model)
    if args.dry_run:
        print(json.dumps(body, indent=2))
        return Exit.DONE
    try:
        status, pictures = smoke.run(job, body, args.wait * 60, args.out)
    except client.NotLetInError as error:
        return _ended(f"{error}\n{not_let_in(job.solution.partition.name)}", Exit.AWS)
    if status.status != "completed":
        return _ended(f"{status.id} {status.status}: {status.error or 'without a reason'}", Exit.CONFIG)
    print("\n".join(str(path) for path in pictures))
    return Exit.DONE


def not_let_in(partition: str) -> str:
    """Why an API refuses the key of its own stack."""
    return f"{NO_LICENCE}\n{NOT_LET_IN}" if partition == "aws-cn" else NOT_LET_IN


def _ended(reason: object, code: Exit) -> Exit:
    print(f"generator smoke: {reason}", file=sys.stderr)
    return code
