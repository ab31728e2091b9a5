"""`generator smoke`: sends one task through the deployed HTTP API and waits for its picture."""

import argparse
from pathlib import Path

from generator import app, client, jobs
from generator.cli import flags, output
from generator.deploy import smoke
from generator.deploy.job import RefusedError
from generator.errors import AwsError, Exit
from sd_on_eks import ApiUnreachableError, KeyRefusedError, TaskRefusedError, TooLongError

DESCRIPTION = "Send one task through the deployed HTTP API, wait for it and save its picture."
EXAMPLES = """\
  generator smoke config.yaml                                   a small picture from the first SD WebUI
  generator smoke config.yaml --runtime comfyui --task examples/requests/comfyui-pipeline.json
  generator smoke config.yaml --runtime any-model --model sd_xl_base_1.0.safetensors
"""

KEY_REFUSED = (
    "The key is active and in its usage plan. A new key works after about a minute; for an older one, see in "
    "the API Gateway console whether the stage of the API was removed from the usage plan."
)
NO_ICP_LICENSE = (
    "In China, API Gateway answers an account without an ICP licence in this way: see docs/china.md."
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `smoke`."""
    flags.add_changing(parser)
    flags.add_format(parser)
    parser.add_argument("--runtime", metavar="NAME", help="the runtime to test (default: the first SD WebUI)")
    parser.add_argument("--task", metavar="FILE", help="the task to send, as JSON")
    parser.add_argument("--model", metavar="FILE", help="the checkpoint, for a runtime with a dynamic model")
    parser.add_argument(
        "--wait", type=float, default=20.0, metavar="MINUTES", help="how long to wait (default: 20)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path(), metavar="DIR", help="folder for the pictures (default: this one)"
    )


def run(args: argparse.Namespace) -> Exit:
    """Send the task."""
    try:
        return _run(args)
    except (RefusedError, AwsError, OSError) as error:
        return output.stopped("smoke", error)
    except TaskRefusedError as error:
        return output.fail("smoke", error, Exit.CONFIG)
    except (ApiUnreachableError, TooLongError) as error:
        return output.fail("smoke", error, Exit.AWS)


def _run(args: argparse.Namespace) -> Exit:
    solution = flags.solved(args).solution
    task = client.parsed(app.read_text(args.task), app.display_name(args.task)) if args.task else None
    body = smoke.body(smoke.choose(solution, args.runtime), task, args.model)
    if args.dry_run:
        output.write_json(body)
        return Exit.DONE
    job = jobs.over_build(solution, args.output, output.terminal(args))
    try:
        status, pictures = smoke.run(job, body, args.wait * 60, args.out)
    except KeyRefusedError as error:
        return output.fail("smoke", f"{error}\n{key_refused_help(solution.partition.name)}", Exit.AWS)
    if status.status != "completed":
        reason = f"{status.id} {status.status}: {status.error or 'no reason given'}"
        return output.fail("smoke", reason, Exit.CONFIG)
    output.print_files(status, pictures, args)
    return Exit.DONE


def key_refused_help(partition: str) -> str:
    """Why an API may refuse the key of its own stack."""
    return f"{NO_ICP_LICENSE}\n{KEY_REFUSED}" if partition == "aws-cn" else KEY_REFUSED
