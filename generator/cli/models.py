"""`generator models`: copies the model files of a config into the model bucket."""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from generator import paths
from generator.aws import errors
from generator.aws.clients import Aws
from generator.cli import flags, output
from generator.errors import Exit
from generator.facts import runtimes
from generator.models import batch
from generator.models.batch import Options, Progress, Pulled, Session
from generator.models.web import PullError, Web, sites
from generator.solution.model import Solution
from generator.solution.model_file import ModelObject

DESCRIPTION = """\
Copy the files of `models` in a config into the model bucket, each into the folder of its type. The bytes go
through memory, not through a disk. SHA-256 checksums are compared, those of Hugging Face and Civitai too; a
file that is there already is left alone, and a copy that was interrupted is continued.

environment:
  HF_TOKEN, CIVITAI_TOKEN         tokens, for files that are not for everybody
  HF_ENDPOINT, CIVITAI_ENDPOINT   other addresses of the two sites, such as a mirror
"""
EXAMPLES = """\
  generator models pull config.yaml --dry-run       sizes, checksums and licenses; copies nothing
  HF_TOKEN=… generator models pull config.yaml
  generator models pull config.yaml --only 'sdxl*'  only some of the files
  generator models pull config.yaml --format json   for programs

exit codes: 0 every file is in the bucket, 2 a file was refused (no access, another checksum, another file of
            this name), 3 a site or AWS did not answer: run it again, it continues
"""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `models`."""
    parser.add_argument("action", choices=("pull",), help="pull: copy the files into the bucket")
    flags.add_config(parser)
    flags.add_format(parser)
    parser.add_argument("--dry-run", action="store_true", help="ask the sites and the bucket, copy nothing")
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace files of the same name that this command did not write",
    )
    parser.add_argument(
        "--only", metavar="PATTERN", action="append", default=[],
        help="only files whose path or source has this pattern (* and ?); may be given more than once",
    )  # fmt: skip


def run(args: argparse.Namespace) -> Exit:
    """Pull, and print one line for each file."""
    solution = flags.solved(args).solution
    files = [file for file in solution.model_files if _is_chosen(args.only, file.path, str(file.source))]
    if not files:
        reason = (
            "no file fits --only" if args.only else "the config has no `models`: `generator explain models`"
        )
        return output.fail("models", reason, Exit.CONFIG)
    results: list[Pulled] = []
    try:
        known = sites(os.environ)
        with _progress() as progress:
            session = Session(Aws(solution.region), known, Web(known), progress)
            for result in batch.pulled(files, session, Options(args.dry_run, args.overwrite)):
                results.append(result)
                if args.format != "json":
                    _print(result)
            if not args.dry_run:
                batch.add_folders(_needed_folders(solution), session)
    except PullError as error:
        return output.fail("models", error, Exit.AWS if error.unreachable else Exit.CONFIG)
    except errors.refusals() as error:
        raise errors.refused(error, "models cannot be copied") from error
    if args.format == "json":
        output.write_json([_as_data(result) for result in results])
    return _exit(results)


def _is_chosen(patterns: Sequence[str], path: str, source: str) -> bool:
    from fnmatch import fnmatchcase  # noqa: PLC0415 - only with --only

    texts = (path, path.rpartition("/")[2], source)
    return not patterns or any(fnmatchcase(text, pattern) for text in texts for pattern in patterns)


def _needed_folders(solution: Solution) -> dict[ModelObject, Sequence[str]]:
    """For each mounted folder of a bucket the folders that its runtimes would create, and cannot."""
    folders = runtimes.model_folders(paths.root() / "charts")
    return {
        ModelObject(runtime.models.bucket, runtime.models.prefix): folders[runtime.type]
        for runtime in solution.runtimes
        if runtime.models.mounted and runtime.type in folders
    }


def _exit(results: Sequence[Pulled]) -> Exit:
    failed = [result.error for result in results if result.error]
    if not failed:
        return Exit.DONE
    return Exit.AWS if all(error.unreachable for error in failed) else Exit.CONFIG


def _print(result: Pulled) -> None:
    """One file on standard output; what is wrong with it on standard error."""
    if result.error:
        output.say_error(f"{result.target}: {result.error.message}")
        if result.error.help:
            output.say_error(f"  help: {result.error.help}")
    elif result.copy:
        record = result.copy.record
        output.say(f"{result.target}: {result.copy.outcome}, {_size(record.size)}")
        rows = {
            "from": f"{record.source}" + (f", revision {record.revision}" if record.revision else ""),
            "holds": record.contents,
            "sha256": record.sha256 or "not published",
            "license": record.license or f"not named: see {record.page}",
        }
        for name, text in rows.items():
            if text:
                output.say(f"  {name}: {text}")
        if result.copy.warning:
            output.say_error(f"  warning: {result.copy.warning}")


def _size(size: int) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 10_000_000 else f"{size / 1e6:.2f} MB"


def _as_data(result: Pulled) -> dict[str, Any]:
    data: dict[str, Any] = {
        "bucket": result.target.bucket,
        "key": result.target.key,
        "type": result.file.type,
    }
    if result.copy:
        record = result.copy.record
        return data | {
            "outcome": result.copy.outcome,
            "source": record.source,
            "page": record.page,
            "revision": record.revision or None,
            "size": record.size,
            "sha256": record.sha256 or None,
            "license": record.license or None,
            "contents": record.contents or None,
            "warning": result.copy.warning or None,
        }
    message, help = (result.error.message, result.error.help) if result.error else ("", "")
    return data | {"outcome": "failed", "source": str(result.file.source), "error": message, "help": help}


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar for each file, on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda _target, _done, _total: None
        return
    from rich.console import Console  # noqa: PLC0415 - slow to import, and only for a terminal
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        DownloadColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.progress import Progress as Bars  # noqa: PLC0415

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    name = TextColumn("{task.description}", markup=False)
    with Bars(name, *columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[ModelObject, Any] = {}

        def advance(target: ModelObject, done: int, total: int) -> None:
            if target not in tasks:
                tasks[target] = bars.add_task(target.key.rpartition("/")[2], total=total)
            bars.update(tasks[target], completed=done, visible=done < total)

        yield advance
