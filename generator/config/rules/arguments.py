"""The arguments of the runtimes: shell words, and what a program's command line may not change."""

import shlex
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from generator.config.node import ConfigNode
from generator.config.rules.base import WARNING, Case, Finding, environment, environment_text, inference, rule
from generator.facts.runtimes import Arguments

# SD WebUI reads more arguments from here. modules/paths_internal.py
WEBUI_ARGUMENTS = "COMMANDLINE_ARGS"


def split(text: str) -> list[str]:
    """The shell words of a text, as the chart splits them (sd-runtimes.words). Raises ValueError.

    Quotes and backslashes work as in a shell; nothing is expanded.
    """
    return shlex.split(text.replace("\\\n", ""))


@dataclass(frozen=True)
class Argument:
    """One argument, its value ("" if it has none) and where the config sets it."""

    name: str
    value: str
    node: ConfigNode


def _texts(runtime: ConfigNode) -> list[tuple[str, ConfigNode]]:
    """The texts of a runtime's container that hold arguments as shell words, each with its node."""
    node = inference(runtime).at("commandArguments")
    texts = [(node.text() or "", node)]
    if runtime.at("type").text() == "sdwebui":
        variables = environment(inference(runtime))
        texts += [(item.text or "", item.node) for item in variables if item.name == WEBUI_ARGUMENTS]
    return texts


def _arguments(runtime: ConfigNode) -> Iterator[Argument]:
    """The arguments of a runtime; those of a text in which a quote is open are left to SD950."""
    items = inference(runtime).at("commandArguments").items()
    yield from _named([(environment_text(item.value), item) for item in items])
    for text, node in _texts(runtime):
        with suppress(ValueError):
            yield from _named([(word, node) for word in split(text)])


def _named(words: list[tuple[str, ConfigNode]]) -> Iterator[Argument]:
    """The arguments among words: `--port 1` and `--port=1` have the same value."""
    following = [word for word, _ in words[1:]] + [""]
    for (word, node), after in zip(words, following, strict=False):
        if word.startswith("-"):
            name, joined, value = word.partition("=")
            yield Argument(name, value if joined else "" if after.startswith("-") else after, node)


def _of_known_programs(case: Case) -> Iterator[tuple[Arguments, Argument]]:
    """Every argument of the runtimes whose program is known, with what its command line may not have."""
    for runtime in case.runtimes:
        if profile := case.facts.runtime_profiles.get(runtime.at("type").text() or ""):
            for argument in _arguments(runtime):
                yield profile.arguments, argument


@rule("SD950")
def quotes_are_closed(case: Case) -> Iterator[Finding]:
    """Arguments in one string are shell words: each quote must be closed."""
    for runtime in case.runtimes:
        for text, node in _texts(runtime):
            try:
                split(text)
            except ValueError as error:
                backslash = "escape" in str(error)  # else shlex says "No closing quotation"
                message = "nothing follows the final backslash" if backslash else "a quote is not closed"
                yield Finding(node, message, "mend it, or write a list of arguments, which needs no quotes")


@rule("SD951")
def arguments_are_not_fixed(case: Case) -> Iterator[Finding]:
    """Arguments cannot change port, listen address, authentication or folders, which the chart relies on."""
    for arguments, argument in _of_known_programs(case):
        if reason := arguments.fault(argument.name, argument.value):
            yield Finding(
                argument.node, f"{argument.name} cannot be set: {reason}", f"remove {argument.name}"
            )


@rule("SD952", WARNING)
def programs_know_their_arguments(case: Case) -> Iterator[Finding]:
    """A program with few arguments, such as InvokeAI's, does not start with others."""
    for arguments, argument in _of_known_programs(case):
        if not arguments.knows(argument.name):
            message = f"{argument.name} is unknown: {arguments.unknown}"
            yield Finding(argument.node, message, "remove it, and set INVOKEAI_* variables in extraEnv")


@rule("SD953")
def items_hold_one_word(case: Case) -> Iterator[Finding]:
    """In a list of arguments each item is one word: an argument and its value are two items."""
    for runtime in case.runtimes:
        for item in inference(runtime).at("commandArguments").items():
            name, space, value = (item.text() or "").partition(" ")
            if name.startswith("-") and space and "=" not in name:
                message = f"the program would get {item.value!r} as one word"
                yield Finding(item, message, f"write two items: {name!r} and {value.strip()!r}")
