"""A config file as data, with places."""

import pytest

from generator.config import document
from generator.errors import ConfigError

TEXT = """\
stackName: studio
tags: &tags
  "cost center": 42
  on: yes
modelsRuntime:
- name: one
  extraValues: {runtime: {scaling: {queueLength: 1.50}}}
- name: two
  <<: &more {namespace: b}
  labels: *tags
"""


@pytest.fixture
def config() -> document.ConfigDocument:
    return document.load(TEXT, "a.yaml")


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        (("stackName",), (1, 1), (1, 12)),
        (("tags", "cost center"), (3, 3), (3, 18)),
        (("modelsRuntime", 1), (8, 3), (8, 3)),
        (("modelsRuntime", 1, "name"), (8, 3), (8, 9)),
        (("modelsRuntime", 0, "extraValues", "runtime", "scaling", "queueLength"), (7, 37), (7, 50)),
    ],
)
def test_keys_and_values_have_places(
    config: document.ConfigDocument, path: document.Path, key: document.Mark, value: document.Mark
) -> None:
    assert (config.key(path), config.value(path)) == (key, value)


def test_what_is_not_there_has_the_place_of_the_deepest_key_above_it(config: document.ConfigDocument) -> None:
    path = ("modelsRuntime", 0, "extraValues", "runtime", "queueAgent", "image")

    assert config.key(path) == config.value(path) == (7, 17)


def test_merged_keys_have_the_place_where_they_are_written(config: document.ConfigDocument) -> None:
    assert config.value(("modelsRuntime", 1, "namespace")) == (9, 25)


def test_aliased_keys_have_the_place_where_they_are_written(config: document.ConfigDocument) -> None:
    assert config.key(("modelsRuntime", 1, "labels", "cost center")) == (3, 3)


def test_keys_stay_as_they_are_spelled(config: document.ConfigDocument) -> None:
    assert list(config.data["tags"]) == ["cost center", "on"]


def test_scalars_can_be_read_as_they_are_spelled(config: document.ConfigDocument) -> None:
    path = ("modelsRuntime", 0, "extraValues", "runtime", "scaling", "queueLength")

    assert config.raw(path) == "1.50"


def test_aliases_that_expand_without_end_are_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]

    with pytest.raises(ConfigError, match="expand to too much"):
        document.load("\n".join(lines), "bomb.yaml")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), "$"),
        (("modelsRuntime", 0, "name"), "modelsRuntime[0].name"),
        (("tags", "example.com/a"), "tags['example.com/a']"),
        (("tags", ""), "tags['']"),
    ],
)
def test_paths_read_as_people_write_them(path: document.Path, text: str) -> None:
    assert document.dotted(path) == text
