"""The parser of a command line, with the nearest right word for a wrong command, flag or value."""

import argparse
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

# What other tools call a command -> its name here.
OTHER_NAMES = {
    "apply": "deploy", "up": "deploy", "install": "deploy", "upgrade": "deploy", "create": "deploy",
    "delete": "uninstall", "destroy": "uninstall", "down": "uninstall", "remove": "uninstall",
    "check": "validate", "lint": "validate", "verify": "validate",
    "template": "render", "manifests": "render", "generate": "build", "synth": "build",
    "new": "init", "cost": "plan", "price": "plan", "doctor": "preflight", "describe": "explain",
    "get": "status", "test": "smoke", "run": "submit", "send": "submit", "mirror": "images",
}  # fmt: skip


class Parser(argparse.ArgumentParser):
    """As argparse's own, but an unknown word is answered with the nearest known one."""

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """The parsed words; ends the process with exit code 2 on a word that no flag takes."""
        parsed, extra = self.parse_known_args(words)
        if extra:
            self.of_command(parsed).unknown(extra)
        return parsed

    def every_action(self) -> Iterator[argparse.Action]:
        """Every flag and argument, of all commands too."""
        for action in self._actions:
            yield action
            if isinstance(action.choices, dict):
                for parser in action.choices.values():
                    yield from parser.every_action()

    def of_command(self, parsed: argparse.Namespace) -> "Parser":
        """The parser of the command that runs."""
        for action in self._subparsers._group_actions if self._subparsers else ():
            if isinstance(action.choices, dict):
                chosen = action.choices.get(getattr(parsed, "command", None) or "")
                return chosen if isinstance(chosen, Parser) else self
        return self

    def unknown(self, words: Sequence[str]) -> NoReturn:
        """End with the nearest flag of this command for each unknown one."""
        from generator.config.schema import nearest  # noqa: PLC0415 - only for a wrong word

        flags = [flag for flag in self._option_string_actions if flag.startswith("--")]
        unknown = [word.partition("=")[0] for word in words if word.startswith("-")]
        close = [flag for word in unknown if (flag := nearest(word, flags))]
        hint = did_you_mean(" ".join(dict.fromkeys(close)))
        self.error(f"unrecognized arguments: {' '.join(words)}{hint}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Called by argparse for each value of an argument with choices."""
        if action.choices is None or value in action.choices:
            return
        from generator.config.schema import nearest  # noqa: PLC0415 - only for a wrong word

        names = list(map(str, action.choices))
        is_command = isinstance(action, argparse._SubParsersAction)
        close = OTHER_NAMES.get(value) if is_command else None
        noun = "command" if is_command else "value"
        hint = did_you_mean(close or nearest(str(value), names))
        raise argparse.ArgumentError(action, f"unknown {noun} {value!r}{hint} (one of: {', '.join(names)})")


def did_you_mean(word: str | None) -> str:
    """The end of a message; empty without a word."""
    return f": did you mean {word!r}?" if word else ""
