"""Writes the tables of settings and metrics into README.md, from the code: `python agent/readme.py`."""

import re
from pathlib import Path

from queue_agent import settings
from queue_agent.ops import metrics

README = Path(__file__).with_name("README.md")


def main() -> None:
    """Replace both tables."""
    text = README.read_text()
    text = with_table(text, "settings", settings.table())
    text = with_table(text, "metrics", metrics.table())
    README.write_text(text)


def with_table(text: str, name: str, table: str) -> str:
    """The text with this table between the two marks of its name."""
    part = re.compile(rf"(<!-- {name}: [^\n]*-->\n).*?(<!-- end of {name} -->)", re.DOTALL)
    return part.sub(lambda match: f"{match[1]}{table}{match[2]}", text)


if __name__ == "__main__":
    main()
