"""Write the tables of values in charts/*/README.md, from the comments in values.yaml that begin with `# --`.

A comment belongs to the key below it. A map with a comment is one row; without one, each of its keys is.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from generator import yaml_loader

ROOT = Path(__file__).resolve().parent.parent
CHARTS = ("sd-runtimes", "sd-on-eks")
BEGIN, END = "<!-- values: made by `make chart-docs` -->", "<!-- values: end -->"
OLD_BEGIN, OLD_END = "<!-- old keys: made by `make chart-docs` -->", "<!-- old keys: end -->"


@dataclass(frozen=True)
class Value:
    """One documented value: its path, its default and the text of its comment."""

    path: str
    default: Any
    text: str


def values(text: str) -> Iterator[Value]:
    """The values of a values.yaml, in order; without a comment, the text is empty. Raises TypeError."""
    root = yaml.compose(text)
    if not isinstance(root, yaml.MappingNode):
        raise TypeError("values.yaml is not a mapping")
    yield from _walk(root, (), text.splitlines())


def _walk(node: yaml.MappingNode, above: tuple[str, ...], lines: list[str]) -> Iterator[Value]:
    for key, value in node.value:
        path = (*above, key.value)
        comment = _comment(lines, key.start_mark.line)
        if not comment and isinstance(value, yaml.MappingNode) and value.value:
            yield from _walk(value, path, lines)
        else:
            default = yaml_loader.load(yaml.serialize(value))
            yield Value(".".join(path), default, comment)


def _comment(lines: list[str], line: int) -> str:
    """The comment directly above a line if it begins with `# --`, else an empty text."""
    block: list[str] = []
    while line > 0 and lines[line - 1].lstrip().startswith("#"):
        line -= 1
        block.insert(0, lines[line].strip().removeprefix("#").strip())
    return " ".join(block).removeprefix("--").strip() if block and block[0].startswith("--") else ""


def table(rows: list[Value]) -> str:
    """Markdown tables, one for each section of the values."""
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
    """The section of a value: three levels of its path below `defaults`, one level elsewhere."""
    steps = path.split(".")[:-1]
    return ".".join(steps[:3] if steps[:1] == ["defaults"] else steps[:1])


def old_keys(schema: dict[str, Any]) -> str:
    """A table of the reference system's keys that are accepted without effect, from values-schema.json."""
    rows = ["| key | why it has no effect |", "|---|---|"]
    for name in ("karpenter", "runtime"):
        keys = _without_effect(schema["definitions"][name], name)
        rows += [f"| `{path}` | {reason} |" for path, reason in keys]
    return "\n".join(rows) + "\n"


def _without_effect(node: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    if reason := node.get("x-no-effect"):
        yield path, reason
    for key, child in node.get("properties", {}).items():
        yield from _without_effect(child, f"{path}.{key}")


def replace_between(text: str, begin: str, end: str, content: str) -> str:
    """`text` with `content` between two markers; unchanged if it has no markers."""
    if begin not in text:
        return text
    head, rest = text.split(begin, 1)
    return f"{head}{begin}\n\n{content}\n{end}{rest.split(end, 1)[1]}"


def page(chart: str) -> tuple[Path, str]:
    """The path of a chart's README and its up-to-date text."""
    folder = ROOT / "charts" / chart
    target = folder / "README.md"
    rows = list(values((folder / "values.yaml").read_text(encoding="utf-8")))
    schema = json.loads((ROOT / "values-schema.json").read_text(encoding="utf-8"))
    text = replace_between(target.read_text(encoding="utf-8"), BEGIN, END, table(rows))
    return target, replace_between(text, OLD_BEGIN, OLD_END, old_keys(schema))


def main() -> None:
    """Write the pages; with `--check`, fail if any is out of date."""
    pages = [page(chart) for chart in CHARTS]
    stale = [(target, text) for target, text in pages if target.read_text(encoding="utf-8") != text]
    if sys.argv[1:] == ["--check"]:
        names = ", ".join(str(target.relative_to(ROOT)) for target, _ in stale)
        sys.exit(f"out of date: {names}; run `make chart-docs`" if stale else 0)
    for target, text in stale:
        target.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
