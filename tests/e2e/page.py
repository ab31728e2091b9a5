"""Put the burst scenario's picture, and the numbers under it, into docs/: `make docs`."""

import json
import re
import shutil
from pathlib import Path

PICTURES = Path(__file__).resolve().parents[2] / "build" / "e2e"
DOCS = PICTURES.parents[1] / "docs"
BLOCK = re.compile(r"(?<=<!-- burst: made by `make docs` -->\n).*?(?=<!-- end -->)", re.DOTALL)
NUMBERS = """\
| tasks | time to picture, p50 | p95 | most pods | most GPU nodes | GPU node seconds | of them at work |
|---|---|---|---|---|---|---|
| {tasks} | {p50:.0f} s | {p95:.0f} s | {pods} | {nodes} | {node_seconds:.0f} | {busy_share:.0%} |
"""


def main() -> None:
    """Copy what the scenario wrote, and fill the page."""
    for suffix in ("svg", "png"):
        shutil.copyfile(PICTURES / f"burst.{suffix}", DOCS / "images" / f"burst.{suffix}")
    numbers = NUMBERS.format(**json.loads((PICTURES / "burst.json").read_text()))
    page = DOCS / "scaling.md"
    page.write_text(BLOCK.sub(lambda _: numbers, page.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
