"""A config file as data, with line and column of every key and value."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import yaml

from generator import yaml_loader
from generator.config import disguises, slips
from generator.config.disguises import Disguise
from generator.errors import ConfigError, Problem, Severity

# Aliases can expand a small file beyond memory. No real config has more nodes than this.
MAX_NODES = 2_000_000

Path = tuple[str | int, ...]
Mark = tuple[int, int]

# Keys that need no quotes in a path.
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")

YAML_TEXT = "SD001"
YAML_DUPLICATE = "SD002"
YAML_SHAPE = "SD003"
YAML_SLIP = "SD004"

RULES: Mapping[str, tuple[Severity, str]] = {
    YAML_TEXT: (Severity.ERROR, "A file that cannot be read, or is not valid YAML."),
    YAML_DUPLICATE: (Severity.ERROR, "A duplicate key: YAML keeps the last one and drops the first."),
    YAML_SHAPE: (Severity.ERROR, "YAML that cannot be a config: empty, a list, recursive aliases."),
    YAML_SLIP: (
        Severity.ERROR,
        "A typing slip that YAML accepts, but reads as something else: typographic quotes, a missing space.",
    ),
}


@dataclass(frozen=True)
class ConfigDocument:
    """One file: its text, its data (keys are always strings), and its problems as YAML."""

    source: str
    text: str
    data: dict[str, Any]
    root: yaml.Node = field(repr=False)
    problems: tuple[Problem, ...] = ()
    # The paths of what a slip spoils: other problems there would only be its consequences.
    spoiled: frozenset[str] = frozenset()

    def key(self, path: Path) -> Mark:
        """Line and column (from 1) of the last key of `path`, or of the deepest key that the file has."""
        return self._find(path)[0]

    def value(self, path: Path) -> Mark:
        """Line and column of the value at `path`, or of the deepest key that the file has."""
        mark, node = self._find(path)
        return mark if node is None else _mark(node)

    def raw(self, path: Path) -> str:
        """A scalar as written in the file: `1.30`, where the data has 1.3."""
        node = self._find(path)[1]
        return str(node.value) if isinstance(node, yaml.ScalarNode) else ""

    @cached_property
    def lines(self) -> list[str]:
        """The text, line by line."""
        return self.text.splitlines()

    def _find(self, path: Path) -> tuple[Mark, yaml.Node | None]:
        mark, node = _mark(self.root), self.root
        for step in path:
            entry = _step(node, step)
            if entry is None:
                return mark, None
            key, node = entry
            mark = _mark(key)
        return mark, node


def load(text: str, source: str) -> ConfigDocument:
    """Parse `text`. Raises ConfigError when it is not valid YAML, or not a mapping."""
    try:
        loader = yaml_loader.LOADER(text)
        root = loader.get_single_node()
        if not isinstance(root, yaml.MappingNode):
            raise ConfigError([_not_a_config(root, source)])
        problems = [*_duplicates(root, source), *_unusable(root, source)]
        if any(problem.code == YAML_SHAPE for problem in problems):
            raise ConfigError(problems)
        found = list(disguises.disguises(root, text.splitlines()))
        problems += [_slip(slip, source) for slip in found]
        spoiled = frozenset(dotted(path) for slip in found for path in slip.spoiled)
        data = _construct(loader, root)
    except yaml.MarkedYAMLError as error:
        raise ConfigError(_syntax(error, text, source)) from error
    except yaml.reader.ReaderError as error:
        raise ConfigError([_unreadable(error, text, source)]) from error
    return ConfigDocument(source, text, data, root, tuple(problems), spoiled)


def _slip(slip: Disguise, source: str) -> Problem:
    return Problem(source, slip.line, slip.column, dotted(slip.path), YAML_SLIP, slip.message, slip.help)


def _mark(node: yaml.Node) -> Mark:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _step(node: yaml.Node, step: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    """The nodes of key and value at one step of a path (an item of a list is its own key), if they exist."""
    if isinstance(node, yaml.MappingNode):
        # Of two equal keys, YAML uses the last.
        for key, value in reversed(node.value):
            if isinstance(key, yaml.ScalarNode) and key.value == step:
                return key, value
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    return None


def _construct(loader: Any, node: yaml.Node) -> Any:
    """Plain data. Keys stay as written: `on:` is the label `on`, not the boolean true."""
    if isinstance(node, yaml.MappingNode):
        loader.flatten_mapping(node)  # `<<: *base`
        return {key.value: _construct(loader, value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_construct(loader, item) for item in node.value]
    return loader.construct_object(node)


def _duplicates(root: yaml.Node, source: str) -> Iterator[Problem]:
    for node, path in _mappings(root):
        seen: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in seen and key.value != "<<":
                line, column = _mark(key)
                yield Problem(
                    source, line, column, dotted((*path, key.value)), YAML_DUPLICATE,
                    f"duplicate key {key.value!r}, first on line {seen[key.value]}: YAML uses the last",
                    "remove one of them",
                )  # fmt: skip
            seen[key.value] = _mark(key)[0]


def _mappings(root: yaml.Node) -> Iterator[tuple[yaml.MappingNode, Path]]:
    """Every mapping, once, even if aliases refer to it."""
    seen: set[int] = set()
    pending: list[tuple[yaml.Node, Path]] = [(root, ())]
    while pending:
        node, path = pending.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            yield node, path
            pending += [(value, (*path, str(key.value))) for key, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            pending += [(item, (*path, index)) for index, item in enumerate(node.value)]


def _unusable(root: yaml.Node, source: str) -> Iterator[Problem]:
    """Keys that are lists or mappings; aliases that are recursive or expand to too much data."""
    for node, path in _mappings(root):
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                line, column = _mark(key)
                is_template = isinstance(key, yaml.MappingNode) and key.flow_style
                help = "write the key as a plain string"
                if is_template:
                    help = (
                        "a config is not a template: write the value in place of `{{ }}`, or put it in quotes"
                    )
                yield Problem(
                    source, line, column, dotted(path), YAML_SHAPE, "a key is a list or a mapping", help
                )
    if _expanded_size(root, {}, set()) > MAX_NODES:
        line, column = _mark(root)
        yield Problem(source, line, column, "$", YAML_SHAPE,
                      "the aliases of this file expand to too much data, or are recursive",
                      "write the values instead of `*alias`")  # fmt: skip


def _expanded_size(node: yaml.Node, sizes: dict[int, int], ancestors: set[int]) -> int:
    """How many nodes the data has with aliases expanded; a recursive alias counts as too many."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) in ancestors:
        return MAX_NODES + 1
    if id(node) not in sizes:
        ancestors.add(id(node))
        children = [part[1] for part in node.value] if isinstance(node, yaml.MappingNode) else node.value
        sizes[id(node)] = 1 + sum(_expanded_size(child, sizes, ancestors) for child in children)
        ancestors.discard(id(node))
    return sizes[id(node)]


def _not_a_config(root: yaml.Node | None, source: str) -> Problem:
    help = "start with `stackName:`, or create a config with `generator init`"
    if root is None:
        return Problem(source, 1, 1, "$", YAML_SHAPE, "the file is empty", help)
    line, column = _mark(root)
    kind = "a list" if isinstance(root, yaml.SequenceNode) else "a single value"
    return Problem(source, line, column, "$", YAML_SHAPE, f"the file contains {kind}, not a mapping", help)


def _syntax(error: yaml.MarkedYAMLError, text: str, source: str) -> list[Problem]:
    """The slips behind a syntax error; without a known one, the parser's message."""
    # Of a second document the parser itself says all that there is to say.
    two_documents = "another document" in (error.problem or "")
    if repairs := [] if two_documents else slips.slips(text):
        return [
            Problem(
                source,
                slip.line + 1,
                slip.column,
                "$",
                YAML_TEXT,
                f"not valid YAML: {slip.message}",
                slip.help,
            )
            for slip in repairs
        ]
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    message = error.problem or error.context or "a syntax error"
    return [Problem(source, line, column, "$", YAML_TEXT, f"not valid YAML: {message}", _yaml_help(message))]


def _yaml_help(message: str) -> str:
    """The usual fix for one of the messages of libyaml or PyYAML."""
    fixes = {
        "cannot start any token": "quote a value that starts with @, ` or %",
        "mapping values are not allowed": "quote a value that contains `: `; check the indentation here",
        "did not find expected key": "check the indentation of this line and the one above",
        "did not find expected '-'": "indent this line as far as the other keys of its list item",
        "could not find expected ':'": "put `: ` between key and value, and check the indentation",
        "did not find expected ',' or": "close the bracket or brace opened before",
        "but found another document": "keep one config per file, and remove the `---`",
        "found undefined alias": "define the anchor (`&name`) above its alias (`*name`), or quote the value",
        "could not determine a constructor": "remove the `!tag`: a config has plain values only",
        "found unexpected end of stream": "close the quote opened before",
    }
    return next(
        (fix for text, fix in fixes.items() if text in message), "check the indentation and the quotes here"
    )


def _unreadable(error: yaml.reader.ReaderError, text: str, source: str) -> Problem:
    before = text[: error.position] if isinstance(error.position, int) else ""
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    message = "not valid YAML: a character that YAML does not allow"
    return Problem(source, line, column, "$", YAML_TEXT, message, "remove the control character")


def dotted(path: Path) -> str:
    """A path in the usual notation: `modelsRuntime[0].name`; `$` for the whole file."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif not _PLAIN.fullmatch(step):
            text += f"[{step!r}]"
        else:
            text += f".{step}" if text else step
    return text or "$"
