"""Put the burst scenario's picture, and the numbers under it, where people look: `make docs`."""

import json
import re
import shutil
from pathlib import Path

PICTURES = Path(__file__).resolve().parents[2] / "build" / "e2e"
ROOT = PICTURES.parents[1]
SCALING = ROOT / "docs" / "scaling.md"
NUMBERS = """\
| tasks | time to picture, p50 | p95 | peak pods | peak GPU nodes | GPU node seconds | GPU utilization |
|---|---|---|---|---|---|---|
| {tasks} | {p50:.0f} s | {p95:.0f} s | {pods} | {nodes} | {node_seconds:.0f} | {busy_share:.0%} |
"""
CHINESE_NUMBERS = """\
| 任务数 | 出图时间 p50 | p95 | Pod 峰值 | GPU 节点峰值 | GPU 节点运行秒数 | GPU 利用率 |
|---|---|---|---|---|---|---|
| {tasks} | {p50:.0f} 秒 | {p95:.0f} 秒 | {pods} | {nodes} | {node_seconds:.0f} | {busy_share:.0%} |
"""
PAGES = {SCALING: NUMBERS, ROOT / "README.md": NUMBERS, ROOT / "README.zh-CN.md": CHINESE_NUMBERS}


def fill(page: Path, command: str, text: str) -> None:
    """Replace what `command` wrote into a page before. Raises ValueError without a place for it."""
    block = re.compile(f"(?<=<!-- made by `{command}` -->\n).*?(?=<!-- end -->)", re.DOTALL)
    written, places = block.subn(lambda _: text, page.read_text("utf-8"))
    if places != 1:
        raise ValueError(f"{page} has {places} places for `{command}`")
    page.write_text(written, "utf-8")


def main() -> None:
    """Copy what the scenario wrote, and fill the pages."""
    for suffix in ("svg", "png"):
        shutil.copyfile(PICTURES / f"burst.{suffix}", ROOT / "docs" / "images" / f"burst.{suffix}")
    figures = json.loads((PICTURES / "burst.json").read_text())
    for page, numbers in PAGES.items():
        fill(page, "make docs", numbers.format(**figures))


if __name__ == "__main__":
    main()
