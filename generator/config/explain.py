"""Describes keys and rules: for a terminal, and as docs/config.md and docs/rules.md."""

import json
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from generator.config import examples
from generator.config.node import Schema, resolved
from generator.config.schema import TYPES, nearest
from generator.errors import Severity

WIDTH = 100


@dataclass(frozen=True)
class Key:
    """One key: its path (`[]` stands for each item of a list), its schema, whether it is required."""

    steps: tuple[str, ...]
    schema: Schema
    required: bool

    @property
    def name(self) -> str:
        """The key itself."""
        return self.steps[-1]

    @property
    def path(self) -> str:
        """The full path. A key that contains a dot is one step."""
        rest = "".join(f'["{step}"]' if "." in step else f".{step}" for step in self.steps)
        return rest.removeprefix(".").replace(".[]", "[]")


def keys(schema: Schema) -> Iterator[Key]:
    """Every key, parents first."""
    yield from _below((), schema, schema)


def _below(steps: tuple[str, ...], here: Schema, root: Schema, deep: bool = True) -> Iterator[Key]:
    required = here.get("required", ())
    for name, child in here.get("properties", {}).items():
        below = resolved(child, root)
        yield Key((*steps, name), below, name in required)
        if deep:
            yield from _below((*steps, name), below, root)
    if "items" in here:
        yield from _below((*steps, "[]"), resolved(here["items"], root), root, deep)


def find(schema: Schema, query: str) -> list[Key]:
    """The keys that match a full path; without such, those that match the end of their path."""
    plain = query.replace("[]", "").strip(".")
    paths = [(key, key.path.replace("[]", "")) for key in keys(schema)]
    exact = [key for key, path in paths if path == plain]
    return exact or [key for key, path in paths if path.endswith((f".{plain}", f'["{plain}"]'))]


def suggestion(schema: Schema, query: str) -> str | None:
    """A key that `query` may be a typo of."""
    return nearest(query.rpartition(".")[2], {key.name for key in keys(schema)})


def page(key: Key, root: Schema) -> str:
    """One key, in the style of `kubectl explain`."""
    rows = {
        "KEY": key.path,
        "TYPE": kind(key.schema),
        "DEFAULT": default(key),
        "ALLOWED": allowed(key.schema),
    }
    head = "".join(f"{name:<9}{value}\n" for name, value in rows.items() if value)
    text = f"{head}\n{_wrapped(_description(key.schema), 2)}\n"
    if examples := key.schema.get("examples"):
        text += "\nEXAMPLE" + ("S" if len(examples) > 1 else "") + "\n"
        text += "".join(f"  {key.name}: {yaml_line(example)}\n" for example in examples)
    return text + fields(key.steps, key.schema, root)


def fields(steps: tuple[str, ...], here: Schema, root: Schema) -> str:
    """The keys directly below one, each with its type and description."""
    lines = []
    for key in _below(steps, here, root, deep=False):
        need = " (required)" if key.required else ""
        lines.append(f"  {key.name} <{kind(key.schema)}>{need}\n{_wrapped(_description(key.schema), 6)}\n")
    return "\nKEYS\n" + "".join(lines) if lines else ""


def _wrapped(words: str, indent: int) -> str:
    space = " " * indent
    return textwrap.fill(words, WIDTH, initial_indent=space, subsequent_indent=space)


def _description(here: Schema) -> str:
    """The description; for a key without effect, the reason."""
    reason = here.get("x-no-effect")
    return f"No effect here: {reason}." if reason else str(here["description"])


def kind(here: Schema) -> str:
    """The type of a key."""
    types = here["type"] if isinstance(here["type"], list) else [here["type"]]
    return " or ".join(TYPES[name] for name in types)


def default(key: Key) -> str:
    """The value that is used when the config has none."""
    if key.required:
        return "none: required"
    if "default" in key.schema:
        return yaml_line(key.schema["default"])
    return str(key.schema.get("x-default", ""))


def allowed(here: Schema) -> str:
    """The values that the schema allows."""
    if "enum" in here:
        return ", ".join(map(str, here["enum"]))
    if "x-expected" in here:
        return str(here["x-expected"])
    minimum, maximum = here.get("minimum"), here.get("maximum")
    if minimum is not None and maximum is not None:
        return f"{minimum} to {maximum}"
    return f"at least {minimum}" if minimum is not None else ""


def yaml_line(value: Any) -> str:
    """A value as one line of YAML."""
    if isinstance(value, str):
        return value if value and value.isalpha() else json.dumps(value, ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False)


def key_data(key: Key) -> dict[str, Any]:
    """One key for programs."""
    return {
        "path": key.path,
        "type": kind(key.schema),
        "required": key.required,
        "default": key.schema.get("default", key.schema.get("x-default")),
        "allowed": allowed(key.schema) or None,
        "description": _description(key.schema),
        "examples": list(key.schema.get("examples", [])),
    }


def rule_data(code: str, severity: Severity, words: str) -> dict[str, Any]:
    """One rule with its examples for programs."""
    example = examples.examples().get(code)
    return {
        "code": code,
        "severity": severity.value,
        "text": words,
        "wrong": example and example.wrong_text(),
        "right": example and example.right_text(),
    }


def config_page(schema: Schema) -> str:
    """docs/config.md."""
    lines = [
        "# Keys of a solution config",
        "",
        "Made by `make reference` from values-schema.json; edit that file, not this one. "
        "`generator explain KEY` shows the same in a terminal.",
        "",
        "`[]` stands for each item of a list. A key that is required has no default.",
        "",
        "| key | type | default | description |",
        "|---|---|---|---|",
    ]
    for key in keys(schema):
        limits = f" Allowed: {allowed(key.schema)}." if allowed(key.schema) else ""
        cells = (f"`{key.path}`", kind(key.schema), _code(default(key)), _description(key.schema) + limits)
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _code(text: str) -> str:
    return f"`{text}`" if text and not text.startswith(("none", "the ", "no ", "--")) else text


def rules_page(rules: Mapping[str, tuple[Severity, str]]) -> str:
    """docs/rules.md."""
    lines = [
        "# Rules that `generator validate` checks",
        "",
        "Made by `make reference` from generator/config/rules/ and generator/config/schema.py; edit those, "
        "not this page. "
        "`generator explain SD202` shows one in a terminal.",
        "",
        "An error stops every command (exit code 2). A warning fails with `validate --strict` only.",
    ]
    for code, (severity, words) in rules.items():
        lines += ["", f"## {code}", "", f"{severity.value.capitalize()}. {words}"]
        if example := examples.examples().get(code):
            lines += ["", "Wrong:", "", "```text", example.wrong_text(), "```"]
            lines += ["", "Right:", "", "```text", example.right_text(), "```"]
    return "\n".join(lines) + "\n"


def rule_page(code: str, severity: Severity, words: str) -> str:
    """One rule with its examples."""
    text = f"{code} ({severity.value}): {words}\n"
    if example := examples.examples().get(code):
        for title, lines in (("Wrong", example.wrong_text()), ("Right", example.right_text())):
            text += f"\n{title}:\n\n{textwrap.indent(lines, '  ')}\n"
    return text
