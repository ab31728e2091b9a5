"""`generator completion`: prints the script with which a shell completes commands, flags and files."""

import argparse

from generator.cli import output
from generator.errors import Exit

SHELLS = ("bash", "zsh", "tcsh")
DESCRIPTION = "Print the script with which a shell completes the commands, flags and files of `generator`."
EXAMPLES = """\
  source <(generator completion bash)                            bash, for this session
  generator completion bash > ~/.local/share/bash-completion/completions/generator
  generator completion zsh > ~/.zfunc/_generator                 zsh, with ~/.zfunc in $fpath
"""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `completion`."""
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help=", ".join(SHELLS))


def run(args: argparse.Namespace) -> Exit:
    """Print the script for one shell."""
    import shtab  # noqa: PLC0415 - no other command needs it

    from generator.cli.main import full_parser  # noqa: PLC0415 - main imports this module by its name

    parser = full_parser()
    for action in parser.every_action():
        if action.metavar in ("FILE", "OTHER"):
            action.complete = shtab.FILE  # type: ignore[attr-defined]  # how shtab is told
        elif action.metavar == "DIR":
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
    output.write(shtab.complete(parser, args.shell))
    return Exit.DONE
