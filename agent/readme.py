"""Writes the table of settings into README.md, from the code: `python agent/readme.py`."""

import re
from pathlib import Path

from queue_agent.settings import table

README = Path(__file__).with_name("README.md")
PART = re.compile(r"(<!-- settings: [^\n]*-->\n).*?(<!-- end of settings -->)", re.DOTALL)


def main() -> None:
    """Replace what stands between the two marks."""
    text = PART.sub(lambda found: f"{found[1]}{table()}{found[2]}", README.read_text())
    README.write_text(text)


if __name__ == "__main__":
    main()
