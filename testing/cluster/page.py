"""Update the pages with the picture and the numbers of the burst scenario: `make docs`."""

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
    """Replace the block of a page that `command` generates. Raises ValueError if there is not exactly one."""
    block = re.compile(f"(?<=<!-- made by `{command}` -->\n).*?(?=<!-- end -->)", re.DOTALL)
    content, count = block.subn(lambda _: text, page.read_text("utf-8"))
    if count != 1:
        raise ValueError(f"{page} has {count} blocks for `{command}`, expected 1")
    page.write_text(content, "utf-8")


def main() -> None:
    """Copy the pictures of the scenario and update the pages."""
    for suffix in ("svg", "png"):
        shutil.copyfile(PICTURES / f"burst.{suffix}", ROOT / "docs" / "images" / f"burst.{suffix}")
    figures = json.loads((PICTURES / "burst.json").read_text())
    for page, numbers in PAGES.items():
        fill(page, "make docs", numbers.format(**figures))


if __name__ == "__main__":
    main()
