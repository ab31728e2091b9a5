"""Keys of the config and rules, in words: for a terminal, and as docs/config.md and docs/rules.md."""

import json
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from generator.config.node import Schema, resolved
from generator.config.schema import TYPES, nearest
from generator.errors import Severity

WIDTH = 100


@dataclass(frozen=True)
class Key:
    """One key: the way to it (`[]` stands for each item of a list), its schema, whether it must be there."""

    steps: tuple[str, ...]
    schema: Schema
    required: bool

    @property
    def name(self) -> str:
        """The key itself."""
        return self.steps[-1]

    @property
    def path(self) -> str:
        """The key with all above it. A name with a dot in it is one step, not two."""
        rest = "".join(f'["{step}"]' if "." in step else f".{step}" for step in self.steps)
        return rest.removeprefix(".").replace(".[]", "[]")


def keys(schema: Schema) -> Iterator[Key]:
    """Every key, from top to bottom."""
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


def find(schema: Schema, wanted: str) -> list[Key]:
    """The keys that people may mean: by whole path, by the end of it, by name."""
    plain = wanted.replace("[]", "").strip(".")
    known = [(key, key.path.replace("[]", "")) for key in keys(schema)]
    exact = [key for key, path in known if path == plain]
    return exact or [key for key, path in known if path.endswith((f".{plain}", f'["{plain}"]'))]


def suggestion(schema: Schema, wanted: str) -> str | None:
    """A key that `wanted` may be a slip of."""
    return nearest(wanted.rpartition(".")[2], {key.name for key in keys(schema)})


def page(key: Key, root: Schema) -> str:
    """One key, as `kubectl explain` shows one."""
    rows = {
        "KEY": key.path,
        "TYPE": kind(key.schema),
        "DEFAULT": default(key),
        "ALLOWED": allowed(key.schema),
    }
    head = "".join(f"{name:<9}{value}\n" for name, value in rows.items() if value)
    text = f"{head}\n{_filled(_words(key.schema), 2)}\n"
    if examples := key.schema.get("examples"):
        text += "\nEXAMPLE" + ("S" if len(examples) > 1 else "") + "\n"
        text += "".join(f"  {key.name}: {shown(example)}\n" for example in examples)
    return text + fields(key.steps, key.schema, root)


def fields(steps: tuple[str, ...], here: Schema, root: Schema) -> str:
    """The keys just below one, each with its type and what it is."""
    lines = []
    for key in _below(steps, here, root, deep=False):
        need = " (required)" if key.required else ""
        lines.append(f"  {key.name} <{kind(key.schema)}>{need}\n{_filled(_words(key.schema), 6)}\n")
    return "\nKEYS\n" + "".join(lines) if lines else ""


def _filled(words: str, indent: int) -> str:
    space = " " * indent
    return textwrap.fill(words, WIDTH, initial_indent=space, subsequent_indent=space)


def _words(here: Schema) -> str:
    """The description; for a key without effect the reason."""
    reason = here.get("x-no-effect")
    return f"No effect here: {reason}." if reason else str(here["description"])


def kind(here: Schema) -> str:
    """The type of a key, in words."""
    types = here["type"] if isinstance(here["type"], list) else [here["type"]]
    return " or ".join(TYPES[name] for name in types)


def default(key: Key) -> str:
    """What holds when the config says nothing."""
    if key.required:
        return "none: required"
    if "default" in key.schema:
        return shown(key.schema["default"])
    return str(key.schema.get("x-default", ""))


def allowed(here: Schema) -> str:
    """Which values the schema lets pass."""
    if "enum" in here:
        return ", ".join(map(str, here["enum"]))
    if "x-says" in here:
        return str(here["x-says"])
    least, most = here.get("minimum"), here.get("maximum")
    if least is not None and most is not None:
        return f"{least} to {most}"
    return f"from {least}" if least is not None else ""


def shown(value: Any) -> str:
    """A value as one line of YAML."""
    if isinstance(value, str):
        return value if value and value.isalpha() else json.dumps(value, ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False)


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
        "| key | type | default | what it is |",
        "|---|---|---|---|",
    ]
    for key in keys(schema):
        limits = f" Allowed: {allowed(key.schema)}." if allowed(key.schema) else ""
        cells = (f"`{key.path}`", kind(key.schema), _code(default(key)), _words(key.schema) + limits)
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
    return "\n".join(lines) + "\n"
