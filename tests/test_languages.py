"""Pages in English and Chinese have the same commands, keys, structure and links; people compare words."""

import re
from pathlib import Path

import pytest

from generator.paths import root

CHINESE = sorted(root().glob("*.zh-CN.md")) + sorted((root() / "docs").glob("*.zh-CN.md"))
PAIRS = [(path.with_name(path.name.replace(".zh-CN", "")), path) for path in CHINESE]
EACH_PAIR = pytest.mark.parametrize(("english", "chinese"), PAIRS, ids=[path.name for path in CHINESE])
BLOCK = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
COMMENT = re.compile(r"\s*(?:^|\s)(?:#|//) .*$", re.MULTILINE)


def blocks(page: Path) -> list[str]:
    """The code blocks of a page without their comments, which are translated."""
    return [COMMENT.sub("", block) for block in BLOCK.findall(page.read_text("utf-8"))]


def spans(page: Path) -> set[str]:
    """The code spans of a page."""
    return set(re.findall(r"`([^`\n]+)`", BLOCK.sub("", page.read_text("utf-8"))))


def structure(page: Path) -> list[str]:
    """The headings by their level, and the rows of tables by their number of cells."""
    lines = BLOCK.sub("", page.read_text("utf-8")).splitlines()
    return [
        line.split(" ")[0] if line.startswith("#") else f"{line.count('|')} bars"
        for line in lines
        if line.startswith(("#", "|"))
    ]


def links(page: Path) -> set[str]:
    """What a page links to; a page in two languages counts as one."""
    found = re.findall(r"\]\(([^)\s#]+)", page.read_text("utf-8"))
    return {link.replace(".zh-CN", "") for link in found}


def test_the_pages_that_most_readers_need_are_there_in_chinese() -> None:
    names = {path.relative_to(root()).as_posix() for _, path in PAIRS}
    assert names >= {"README.zh-CN.md", "docs/api.zh-CN.md", "docs/deploy.zh-CN.md"}


@EACH_PAIR
def test_both_pages_have_the_same_code_blocks(english: Path, chinese: Path) -> None:
    assert blocks(chinese) == blocks(english)


@EACH_PAIR
def test_both_pages_name_the_same_keys_and_commands(english: Path, chinese: Path) -> None:
    assert spans(chinese) == spans(english)


@EACH_PAIR
def test_both_pages_have_the_same_headings_and_tables(english: Path, chinese: Path) -> None:
    assert structure(chinese) == structure(english)


@EACH_PAIR
def test_both_pages_link_to_the_same_places(english: Path, chinese: Path) -> None:
    assert links(chinese) == links(english)
