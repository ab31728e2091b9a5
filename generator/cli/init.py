"""`generator init`: writes a first config, with comments."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from generator import app
from generator.app import Target
from generator.cli import output
from generator.config import document
from generator.config import first as first_config
from generator.config.first import Answers
from generator.errors import ConfigError, Exit, Severity

EXAMPLES = """\
  generator init > config.yaml              asks a few questions on a terminal
  generator init -o config.yaml             the same; never overwrites a file
  generator init --type comfyui --account 123456789012 --no-questions
"""
DESCRIPTION = """\
Write a first config, with comments, to standard output or to a file. On a terminal it asks for every value
that no flag gives; elsewhere, and with --no-questions, it uses the defaults.
"""
TYPES = ("sdwebui", "comfyui", "invokeai", "custom")
MODEL = "sd_xl_turbo_1.0.safetensors"
NAME = "config.yaml"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `init`."""
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path, help="write to FILE, which must not exist"
    )
    parser.add_argument(
        "--no-questions", action="store_true", help="use the default for every value that no flag gives"
    )
    parser.add_argument("--stack-name", help="prefix of every name (default: sdoneks)")
    parser.add_argument("--region", help="AWS region (default: us-west-2)")
    parser.add_argument("--account", metavar="ID", help="AWS account, 12 digits (default: to be set later)")
    parser.add_argument(
        "--model-bucket", metavar="NAME", help="S3 bucket of the models (default: STACK-models-ID)"
    )
    parser.add_argument("--type", choices=TYPES, help="kind of the first runtime (default: sdwebui)")
    parser.add_argument(
        "--model-filename",
        metavar="FILE",
        help=f"checkpoint of an sdwebui; empty: each task names one (default: {MODEL})",
    )


def run(args: argparse.Namespace) -> Exit:
    """Ask, validate the config that the answers make, write it."""
    if args.output and args.output.exists():
        return output.fail("init", f"{args.output} exists already: choose another name", Exit.CONFIG)
    text = first_config.text(_answers(args))
    _check(text, args)
    if args.output:
        args.output.write_text(text, "utf-8")
        print(f"wrote {args.output}: next, generator validate {args.output}", file=sys.stderr)
    else:
        output.write(text)
    return Exit.DONE


def _answers(args: argparse.Namespace) -> Answers:
    asks = not args.no_questions and sys.stdin.isatty()

    def answer(flag: str | None, question: str, default: str) -> str:
        if flag is not None or not asks:
            return default if flag is None else flag
        print(f"{question} [{default}]: ", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip() or default

    stack = answer(args.stack_name, "Prefix of every name", "sdoneks")
    region = answer(args.region, "AWS region", "us-west-2")
    account = answer(args.account, "AWS account, 12 digits (empty: set it later)", "")
    bucket = f"{stack}-models-{account}" if account else f"{stack}-models"
    answers = Answers(
        stack=stack,
        region=region,
        account=account,
        model_bucket=answer(args.model_bucket, "S3 bucket of the models", bucket),
        runtime_type=answer(args.type, f"First runtime ({', '.join(TYPES)})", "sdwebui"),
        model_filename="",
        eks=app.facts().recommended_eks(app.today()) or "",
    )
    if answers.runtime_type != "sdwebui":
        return answers
    return replace(answers, model_filename=answer(args.model_filename, "Checkpoint file", MODEL))


def _check(text: str, args: argparse.Namespace) -> None:
    """Raise ConfigError for answers that make no valid config."""
    config = document.load(text, str(args.output or NAME))
    problems = app.check(config, app.context(config, Target()))
    errors = [problem for problem in problems if problem.severity is Severity.ERROR]
    if errors:
        raise ConfigError(errors)
