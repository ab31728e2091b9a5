"""Generated YAML that every reader interprets in the same way."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator import yaml_loader
from generator.build import yaml_text

# What YAML 1.1, YAML 1.2 or Go's reader take for a boolean, a number, a date, a null or a comment.
TRAPS = [
    "no",
    "Y",
    "on",
    "~",
    "null",
    "1e3",
    "0o17",
    "0x1f",
    "1_000",
    "12:30",
    "2012-10-17",
    ".inf",
    "+1",
    "",
]
TRAPS += ["=", "<<", "a: b", "a #b", "- a", "key:", " a", "a ", "{a}", "*a", "!a", "%a", "@a", "`a"]

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x85  "), max_size=40)
leaves = texts | st.integers() | st.booleans() | st.none() | st.floats(allow_nan=False, allow_infinity=False)
data = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=20)


@pytest.mark.thorough
@given(data)
def test_what_is_written_reads_back_as_it_was(value: Any) -> None:
    assert yaml_loader.load(yaml_text.dump(value)) == value


@pytest.mark.parametrize("text", TRAPS)
def test_a_text_that_readers_could_misinterpret_is_quoted(text: str) -> None:
    assert yaml_text.dump({"key": text}).startswith('key: "')


def test_names_arns_and_urls_need_no_quotes() -> None:
    url = "https://sqs.us-west-2.amazonaws.com/123456789012/demo-sdxl"

    assert (
        yaml_text.dump({"url": url, "arn": "arn:aws:s3:::models"})
        == f"url: {url}\narn: arn:aws:s3:::models\n"
    )


def test_several_lines_of_text_stay_several_lines() -> None:
    assert yaml_text.dump({"toml": "a = 1\nb = 2\n"}) == "toml: |\n  a = 1\n  b = 2\n"


def test_the_same_list_twice_is_written_twice() -> None:
    types = ["g5.xlarge"]

    assert "&" not in yaml_text.dump({"a": types, "b": types})
