"""`generator submit`: sends a task, waits for it, saves its pictures."""

import argparse
import json
import os
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from generator import app, client
from generator.cli import flags, output
from generator.errors import Exit
from sd_on_eks import ApiUnreachableError, Client, TaskRefusedError, TaskStatus, TooLongError

STATE = Path(".demo/state.json")
KEY_VARIABLE = "SD_API_KEY"
DESCRIPTION = "Send a task, wait for it, save its pictures."
EXAMPLES = """\
  generator submit --runtime sdxl-turbo --prompt "a lighthouse at dusk"   to the pipeline of `make up`
  generator submit examples/requests/comfyui-pipeline.json --id new       a task file, under a new id
  SD_API_KEY=… generator submit task.json --api-url https://….amazonaws.com/prod --out pictures

exit codes: 0 the pictures are saved, 2 the task was refused or failed,
            3 the API could not be reached, or the task took longer than --timeout
"""


class _UsageError(Exception):
    """The command line, or the file that it names, cannot be used."""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `submit`."""
    parser.add_argument("file", metavar="FILE", nargs="?", help="a task as JSON, or - for standard input")
    parser.add_argument(
        "--id", metavar="ID", help="the task's id; `new` generates one (default with --prompt)"
    )
    parser.add_argument("--runtime", metavar="NAME", help="the runtime, instead of the one in FILE")
    parser.add_argument(
        "--out", type=Path, default=Path(), metavar="DIR",
        help="folder for the pictures (default: this one)",
    )  # fmt: skip
    parser.add_argument(
        "--timeout", type=float, default=600.0, metavar="SECONDS", help="how long to wait (default: 600)"
    )
    parser.add_argument("--no-wait", action="store_true", help="print where the result will be, and end")
    flags.add_format(parser)
    prompt = parser.add_argument_group("a picture from a prompt (SD WebUI runtimes), instead of FILE")
    prompt.add_argument("--prompt", metavar="TEXT")
    prompt.add_argument("--negative-prompt", metavar="TEXT", default="")
    prompt.add_argument("--model", metavar="FILE", help="the checkpoint, for a runtime with a dynamic model")
    prompt.add_argument("--seed", type=int, default=-1, help="-1: a random one (default)")
    prompt.add_argument("--steps", type=int, default=20)
    prompt.add_argument("--width", type=int, default=512)
    prompt.add_argument("--height", type=int, default=512)
    where = parser.add_argument_group(
        "target", "without --api-url: the local pipeline that `make up` started"
    )
    where.add_argument("--api-url", metavar="URL", help="the stack output ApiUrl, with its stage")
    where.add_argument(
        "--api-key-env",
        metavar="NAME",
        default=KEY_VARIABLE,
        help=f"environment variable with the API key (default: {KEY_VARIABLE})",
    )


def run(args: argparse.Namespace) -> Exit:
    """Send, wait, save; print the reason on standard error when that is not possible."""
    try:
        return _run(args)
    except (_UsageError, TaskRefusedError) as error:
        return output.fail("submit", error, Exit.CONFIG)
    except (ApiUnreachableError, TooLongError) as error:
        return output.fail("submit", error, Exit.AWS)


def _run(args: argparse.Namespace) -> Exit:
    task, api = _task(args), _api(args)
    receipt = api.send(task)
    print(f"{receipt.id} → {receipt.runtime}: accepted", file=sys.stderr)
    if args.no_wait:
        if args.format == "json":
            output.write_json(
                {"id": receipt.id, "status": "accepted", "outputLocation": receipt.output_location}
            )
        else:
            print(receipt.output_location)
        return Exit.DONE
    status = api.wait(receipt, args.timeout, _print_status)
    output.print_files(status, api.save(status, args.out), args)
    return Exit.DONE if status.status == "completed" else Exit.CONFIG


def _print_status(status: TaskStatus) -> None:
    print(f"{status.id}: {status.status}{f' ({status.error})' if status.error else ''}", file=sys.stderr)


def _api(args: argparse.Namespace) -> Client:
    """The API of --api-url, or that of the local pipeline."""
    if args.api_url:
        key = os.environ.get(args.api_key_env)
        if not key:
            raise _UsageError(f"the environment variable {args.api_key_env} is empty: set it to the API key")
        return Client(args.api_url, key)
    try:
        state = json.loads(STATE.read_text("utf-8"))
        return Client(str(state["api_url"]), str(state["api_key"]))
    except FileNotFoundError:
        raise _UsageError(
            f"no local pipeline is running ({STATE} does not exist): start one with `make up`, "
            "or give the URL of a deployment with --api-url"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise _UsageError(f"{STATE} is damaged ({error}): run `make down`, then `make up`") from error


def _task(args: argparse.Namespace) -> dict[str, Any]:
    """The body to send."""
    if (args.file is None) == (args.prompt is None):
        raise _UsageError("give either a task FILE or --prompt")
    new_id = f"cli-{uuid.uuid4().hex[:12]}"
    if args.prompt is not None:
        return _from_prompt(args, new_id if args.id in {None, "new"} else args.id)
    body = client.parsed(app.read_text(args.file), app.display_name(args.file))
    if args.runtime:
        body = client.with_runtime(body, args.runtime)
    if args.id:
        body = client.with_id(body, new_id if args.id == "new" else args.id)
    return body


def _from_prompt(args: argparse.Namespace, task_id: str) -> dict[str, Any]:
    if not args.runtime:
        raise _UsageError("--prompt needs --runtime NAME, the name of an SD WebUI runtime of your config")
    settings: Mapping[str, Any] = {
        "negative_prompt": args.negative_prompt,
        "seed": args.seed,
        "steps": args.steps,
        "width": args.width,
        "height": args.height,
    }
    return client.text_to_image(args.runtime, task_id, args.prompt, settings, args.model)
