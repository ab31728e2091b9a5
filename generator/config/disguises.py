"""Typing slips that are valid YAML, but not what the writer meant: their place and their cure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import yaml

from generator.config.line_patterns import BLANKS, DOUBLE_QUOTES, INVISIBLE, SINGLE_QUOTES

_QUOTES = DOUBLE_QUOTES + SINGLE_QUOTES
_ODD_SPACE = re.compile(rf"^[{BLANKS}{INVISIBLE}]|[{BLANKS}{INVISIBLE}]$")
_DASH = re.compile(r"([-–—−•·‐‑‒―－])\s*(?=[^\s-])")
_KEY_LINE = re.compile(r"\s*(- +)*[\w.-]+:(\s|$)")
# A line of a plain value that was meant as a key or as a list item of its own.
_SWALLOWED = re.compile(r"\s*([\w.-]+([:=](?!//)\S|：)|- )")


Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Scalar:
    """A key or a value: its node, the mapping or list that holds it; for a key also the node of its value."""

    node: yaml.ScalarNode
    parent: yaml.Node
    path: Path
    value: yaml.Node | None


@dataclass(frozen=True)
class Disguise:
    """One slip: its place (line and column from 1), what it spoils, what is wrong and how to fix it."""

    line: int
    column: int
    path: Path
    # The paths of the nodes that the slip spoils: other problems there would only be its consequences.
    spoiled: tuple[Path, ...]
    message: str
    help: str


Fault = tuple[str, str]


def disguises(root: yaml.Node, lines: Sequence[str]) -> Iterator[Disguise]:
    """Every slip of a document that is valid YAML."""
    for scalar in _scalars(root):
        mark, path = scalar.node.start_mark, scalar.path
        parent = path[:-1]
        if fault := _fault(scalar, lines):
            spoiled = (path,) if scalar.value is None else (path, parent)
            yield Disguise(mark.line + 1, mark.column + 1, path, spoiled, *fault)
        elif not scalar.node.style and (number := _swallowed(scalar.node, lines)) is not None:
            line = lines[number]
            help = "put a space after its colon, and indent it as far as the other keys"
            message = f"YAML reads this line as a part of the value above it: {line.strip()!r}"
            column = len(line) - len(line.lstrip()) + 1
            yield Disguise(number + 1, column, path, (path, parent), message, help)


def _scalars(root: yaml.Node) -> Iterator[Scalar]:
    """Every key and every value, once, even if aliases refer to it."""
    seen: set[int] = set()
    pending: list[tuple[yaml.Node, Path]] = [(root, ())]
    while pending:
        node, path = pending.pop()
        if id(node) in seen or isinstance(node, yaml.ScalarNode):
            continue
        seen.add(id(node))
        children: list[tuple[yaml.Node, Path]] = []
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode):
                    yield Scalar(key, node, (*path, key.value), value)
                children.append((value, (*path, str(key.value))))
        else:
            children = [(item, (*path, index)) for index, item in enumerate(node.value)]
        yield from (
            Scalar(child, node, at, None) for child, at in children if isinstance(child, yaml.ScalarNode)
        )
        pending += children


def _fault(scalar: Scalar, lines: Sequence[str]) -> Fault | None:
    """Message and help; None for a scalar without a slip."""
    node = scalar.node
    if node.style in ("'", '"'):
        return _swallowed_by_quote(node, lines)
    if node.style:
        return None
    return _of_characters(node.value) or _of_key(scalar) or _of_flow(scalar)


def _of_characters(value: str) -> Fault | None:
    """Typographic quotes around a plain scalar, or a space that is not ASCII at one of its ends."""
    inner = value[1:-1]
    if len(value) > 2 and value[0] in _QUOTES and value[-1] in _QUOTES and not set(inner) & set(_QUOTES):
        return (
            f"typographic quotes around {inner!r}: YAML takes them as part of the text",
            f'use straight quotes: "{inner}"',
        )
    if match := _ODD_SPACE.search(value):
        text = value.strip(BLANKS + INVISIBLE + " ")
        side = "starts" if match.start() == 0 else "ends"
        code = f"U+{ord(match[0]):04X}"
        return (
            f"{text!r} {side} with a space or an invisible character that is not ASCII ({code})",
            f"delete the character, and type `{text}` again",
        )
    return None


def _of_key(scalar: Scalar) -> Fault | None:
    """A dash that is part of a key."""
    if scalar.value is None or not (match := _DASH.match(scalar.node.value)):
        return None
    key = scalar.node.value[match.end() :]
    if match[1] != "-":
        return f"{match[1]} does not start a list item", f"write `- {key}:`"
    return f"there is no space after the dash: YAML reads {scalar.node.value!r} as a key", f"write `- {key}:`"


def _of_flow(scalar: Scalar) -> Fault | None:
    """Inside brackets: a colon without a space after it, or full-width commas."""
    text = scalar.node.value
    if not getattr(scalar.parent, "flow_style", False):
        return None
    empty = scalar.value is not None and scalar.value.start_mark.index == scalar.value.end_mark.index
    if empty and (match := re.fullmatch(r"([\w.-]+)[:：](?!//)(\S.*)", text)):
        return (
            f"there is no space after the colon: YAML reads {text!r} as a key",
            f"write `{match[1]}: {match[2]}`",
        )
    if isinstance(scalar.parent, yaml.SequenceNode) and re.search("[，、]", text):
        items = ", ".join(part.strip() for part in re.split("[，、]", text))
        return "a full-width comma does not separate the items of a list", f"write `{items}`"
    return None


def _swallowed_by_quote(node: yaml.ScalarNode, lines: Sequence[str]) -> Fault | None:
    """A quote that was not closed on its line and ends at the next quote of the file."""
    first, last = node.start_mark.line, node.end_mark.line
    if any(_KEY_LINE.match(line) for line in lines[first + 1 : last + 1]):
        return f"the quote that opens here is closed on line {last + 1}", "close the quote on its line"
    return None


def _swallowed(node: yaml.ScalarNode, lines: Sequence[str]) -> int | None:
    """The line (from 0) that YAML takes as a part of a plain value above it, if there is one."""
    first, last = node.start_mark.line, node.end_mark.line
    return next((number for number in range(first + 1, last + 1) if _SWALLOWED.match(lines[number])), None)
