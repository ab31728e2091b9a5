"""The command `generator`: finds the module of a command, imports only that one, runs it."""

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from types import ModuleType, TracebackType

from generator.cli import encoding
from generator.cli.parser import Parser
from generator.errors import AwsError, ConfigError, Exit

# name -> (module, one line of help). A module has DESCRIPTION, EXAMPLES, `add_flags(parser)` and `run(args)`.
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("generator.cli.init", "write a first config, with comments"),
    "validate": ("generator.cli.validate", "check configs and list every problem with its fix"),
    "build": ("generator.cli.build", "write every file that is deployed"),
    "render": ("generator.cli.render", "print the Kubernetes manifests of a config"),
    "diff": ("generator.cli.diff", "show what a changed config changes"),
    "plan": ("generator.cli.plan", "show what will exist, which quotas it needs and what it costs"),
    "whatif": ("generator.cli.whatif", "show what tasks of a trace wait and cost, by policy"),
    "preflight": ("generator.cli.preflight", "ask AWS whether the plan can work in this account"),
    "models": ("generator.cli.models", "copy model files into the model bucket"),
    "deploy": ("generator.cli.deploy", "deploy a config to its account, or what changed in it"),
    "api": ("generator.cli.api", "print the URL of the deployed API and a key"),
    "keys": ("generator.cli.keys", "list, add, rotate or revoke API keys"),
    "smoke": ("generator.cli.smoke", "send one task through the deployment"),
    "status": ("generator.cli.status", "show queues, pods and GPU nodes"),
    "logs": ("generator.cli.logs", "print the logs of a runtime, or the lines of a task"),
    "uninstall": ("generator.cli.uninstall", "remove a solution from its account; pictures stay"),
    "images": ("generator.cli.images", "list or mirror the container images of a config"),
    "submit": ("generator.cli.submit", "send a task and wait for its pictures"),
    "schema": ("generator.cli.schema", "print the JSON Schema or the reference pages of a config"),
    "explain": ("generator.cli.explain", "explain one key of a config, or one rule (SDnnn)"),
    "completion": ("generator.cli.completion", "print the completion of commands and flags for a shell"),
}

DESCRIPTION = """\
One config.yaml in, an image-generation service on Amazon EKS out.

examples:
  generator init > config.yaml           a first config
  generator validate config.yaml         every problem, with line, column and fix
  generator build config.yaml -o build   every file that is deployed
  generator explain modelsRuntime.type   what a key means
"""
EPILOG = """\
exit codes: 0 done, 1 a bug in the generator, 2 the config is not valid, 3 AWS could not be reached,
            4 `diff --exit-code` found differences
`generator COMMAND --help` shows the flags and examples of a command
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    sys.excepthook = _bug
    encoding.make_printable(sys.stdout, sys.stderr)
    words = list(sys.argv[1:] if argv is None else argv)
    name = next((word for word in words if not word.startswith("-")), "")
    modules = {name: importlib.import_module(COMMANDS[name][0])} if name in COMMANDS else {}
    args = _parser(modules).parse(words)
    if not modules:
        _parser({}).print_help(sys.stderr)
        return Exit.CONFIG
    return _run(modules[name], args)


def full_parser() -> Parser:
    """A parser that knows the flags of every command."""
    return _parser({name: importlib.import_module(module) for name, (module, _) in COMMANDS.items()})


def _run(module: ModuleType, args: argparse.Namespace) -> int:
    """The command's own exit code, or the one of the error that it raised."""
    try:
        code = Exit(module.run(args))
        sys.stdout.flush()
    except ConfigError as error:
        from generator.cli.output import print_problems  # noqa: PLC0415 - only when there is one

        print_problems(error.problems, args)
        return Exit.CONFIG
    except AwsError as error:
        print(f"generator: {error}", file=sys.stderr)
        return Exit.AWS
    except BrokenPipeError:
        # The reader (`| head`) closed the pipe; without this, Python prints an error when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return code


def _parser(modules: Mapping[str, ModuleType]) -> Parser:
    """A parser that knows every command by name, and the flags of the commands in `modules`."""
    parser = Parser(
        prog="generator",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version")
    parser.add_argument("--no-color", action="store_true", help="no color (also: NO_COLOR=1, or no terminal)")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for command, (_, line) in COMMANDS.items():
        if command in modules:
            _add_command(commands, command, line, modules[command])
        else:
            commands.add_parser(command, help=line, add_help=False)
    return parser


def _add_command(
    commands: "argparse._SubParsersAction[Parser]", name: str, line: str, module: ModuleType
) -> None:
    """The parser of the command that runs: its help ends with examples, and it accepts `--no-color` too."""
    parser = commands.add_parser(
        name,
        help=line,
        description=module.DESCRIPTION,
        epilog=f"examples:\n{module.EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--no-color", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    module.add_flags(parser)


class _Version(argparse.Action):
    """`--version`: package metadata is slow to import, so it is read only when asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version  # noqa: PLC0415

        print(f"generator {version('sd-on-eks')}")
        parser.exit()


def _bug(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print a traceback and ask for a report (Python then ends with exit code 1)."""
    traceback.print_exception(kind, error, trace)
    print(
        "\nThis is a bug in the generator, not in your config. Please report the lines above.",
        file=sys.stderr,
    )


if __name__ == "__main__":
    sys.exit(main())
