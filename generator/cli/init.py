"""`generator init`: writes a first config, with comments."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from generator import paths
from generator.cli import common
from generator.config import document
from generator.config import first as first_config
from generator.config.first import Answers
from generator.errors import ConfigError, Exit, Severity
from generator.facts.facts import Facts

EXAMPLES = """\
  generator init > config.yaml              asks a few questions on a terminal
  generator init -o config.yaml             the same; never overwrites a file
  generator init --type comfyui --account 123456789012 --no-questions
"""
DESCRIPTION = """\
Write a first config with comments to standard output, or to a file. On a terminal it asks for what no flag
says; elsewhere, and with --no-questions, it takes the defaults.
"""
TYPES = ("sdwebui", "comfyui", "invokeai", "custom")
MODEL = "sd_xl_turbo_1.0.safetensors"
NAME = "config.yaml"


def add(subparsers: common.Subparsers) -> None:
    """Declare the command."""
    parser = common.command(subparsers, "init", DESCRIPTION, EXAMPLES)
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path, help="write to FILE, which must not be there"
    )
    parser.add_argument("--no-questions", action="store_true", help="take the default for what no flag says")
    parser.add_argument("--stack-name", help="prefix of every name (default: sdoneks)")
    parser.add_argument("--region", help="AWS region (default: us-west-2)")
    parser.add_argument("--account", metavar="ID", help="AWS account, 12 digits (default: left to say later)")
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
    """Ask, check the answers as any config is checked, write."""
    if args.output and args.output.exists():
        print(f"generator: {args.output} is there already: choose another name", file=sys.stderr)
        return Exit.CONFIG
    text = first_config.text(_answers(args))
    _check(text, args)
    if args.output:
        args.output.write_text(text, "utf-8")
        print(f"wrote {args.output}: next, generator validate {args.output}", file=sys.stderr)
    else:
        sys.stdout.write(text)
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
    account = answer(args.account, "AWS account, 12 digits (empty: say it later)", "")
    bucket = f"{stack}-models-{account}" if account else f"{stack}-models"
    answers = Answers(
        stack=stack,
        region=region,
        account=account,
        model_bucket=answer(args.model_bucket, "S3 bucket of the models", bucket),
        runtime_type=answer(args.type, f"First runtime ({', '.join(TYPES)})", "sdwebui"),
        model_filename="",
    )
    if answers.runtime_type != "sdwebui":
        return answers
    return replace(answers, model_filename=answer(args.model_filename, "Checkpoint file", MODEL))


def _check(text: str, args: argparse.Namespace) -> None:
    """Raise ConfigError for answers that no config may hold."""
    from generator.config import validate  # noqa: PLC0415 - slow to import, and --help does without

    config = document.load(text, str(args.output or NAME))
    where = common.context(argparse.Namespace(region=None, account=None, account_from_sts=False), config.data)
    problems = validate.problems(config, common.schema(), Facts(paths.data()), where)
    errors = [problem for problem in problems if problem.severity is Severity.ERROR]
    if errors:
        raise ConfigError(errors)
