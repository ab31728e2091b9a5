"""Write the tables of values into charts/*/README.md, from the comments in values.yaml that begin `# --`.

A comment belongs to the key below it. A map with a comment is one row; one without is walked into.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
CHARTS = ("sd-runtimes", "sd-on-eks")
BEGIN, END = "<!-- values: made by `make chart-docs` -->", "<!-- values: end -->"
OLD_BEGIN, OLD_END = "<!-- old keys: made by `make chart-docs` -->", "<!-- old keys: end -->"


@dataclass(frozen=True)
class Value:
    """One documented value: its path, its default, what its comment says."""

    path: str
    default: Any
    text: str


def values(text: str) -> Iterator[Value]:
    """The values of a values.yaml in their order; one without a comment has an empty text."""
    root = yaml.compose(text)
    if not isinstance(root, yaml.MappingNode):
        raise TypeError("values.yaml is no map")
    yield from _walk(root, (), text.splitlines())


def _walk(node: yaml.MappingNode, above: tuple[str, ...], lines: list[str]) -> Iterator[Value]:
    for key, value in node.value:
        path = (*above, key.value)
        comment = _comment(lines, key.start_mark.line)
        if not comment and isinstance(value, yaml.MappingNode) and value.value:
            yield from _walk(value, path, lines)
        else:
            default = yaml.safe_load(yaml.serialize(value))
            yield Value(".".join(path), default, comment)


def _comment(lines: list[str], line: int) -> str:
    """The comment right above a line, when it begins with `# --`."""
    block: list[str] = []
    while line > 0 and lines[line - 1].lstrip().startswith("#"):
        line -= 1
        block.insert(0, lines[line].strip().removeprefix("#").strip())
    return " ".join(block).removeprefix("--").strip() if block and block[0].startswith("--") else ""


def table(rows: list[Value]) -> str:
    """Markdown tables, one for each part of the values."""
    parts: dict[str, list[str]] = {}
    for row in rows:
        part = _part(row.path)
        key = row.path.removeprefix(f"{part}.") if part else row.path
        default = json.dumps(row.default, ensure_ascii=False)
        parts.setdefault(part, []).append(f"| `{key}` | `{default}` | {row.text} |")
    heads = {part: f"### `{part}`" if part else "### General" for part in parts}
    return "\n".join(
        line
        for part, lines in parts.items()
        for line in (heads[part], "", "| key | default | meaning |", "|---|---|---|", *lines, "")
    )


def _part(path: str) -> str:
    """The table that a value stands in: three steps deep below `defaults`, one elsewhere."""
    steps = path.split(".")[:-1]
    return ".".join(steps[:3] if steps[:1] == ["defaults"] else steps[:1])


def old_keys(schema: dict[str, Any]) -> str:
    """The reference system's keys that are accepted and change nothing, from values-schema.json."""
    rows = ["| key | why it has no effect here |", "|---|---|"]
    for name in ("karpenter", "runtime"):
        rows += [f"| `{path}` | {why} |" for path, why in _without_effect(schema["definitions"][name], name)]
    return "\n".join(rows) + "\n"


def _without_effect(node: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    if why := node.get("x-no-effect"):
        yield path, why
    for key, below in node.get("properties", {}).items():
        yield from _without_effect(below, f"{path}.{key}")


def between(text: str, begin: str, end: str, made: str) -> str:
    """`text` with `made` between two marks; a page without the marks stays as it is."""
    if begin not in text:
        return text
    head, rest = text.split(begin, 1)
    return f"{head}{begin}\n\n{made}\n{end}{rest.split(end, 1)[1]}"


def page(chart: str) -> tuple[Path, str]:
    """A chart's README, and its text as it should be."""
    folder = ROOT / "charts" / chart
    target = folder / "README.md"
    rows = list(values((folder / "values.yaml").read_text(encoding="utf-8")))
    schema = json.loads((ROOT / "values-schema.json").read_text(encoding="utf-8"))
    text = between(target.read_text(encoding="utf-8"), BEGIN, END, table(rows))
    return target, between(text, OLD_BEGIN, OLD_END, old_keys(schema))


def main() -> None:
    """Write the pages, or with `--check` say which are stale."""
    pages = [page(chart) for chart in CHARTS]
    stale = [(target, text) for target, text in pages if target.read_text(encoding="utf-8") != text]
    if sys.argv[1:] == ["--check"]:
        names = ", ".join(str(target.relative_to(ROOT)) for target, _ in stale)
        sys.exit(f"stale: {names}; run `make chart-docs`" if stale else 0)
    for target, text in stale:
        target.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
