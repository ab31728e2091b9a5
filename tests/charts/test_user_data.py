"""User data of the nodes: parallel pulls of images, and the user's own settings."""

import tomllib
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import ROOT, Objects, Render


def test_images_are_pulled_in_parallel_and_the_users_settings_stay(
    with_value: Callable[..., Objects],
) -> None:
    rendered = with_value(
        "karpenter.nodeTemplate.userData", "[settings.host-containers.admin]\nenabled = true\n"
    )
    settings = tomllib.loads(rendered.node_class("one")["userData"])["settings"]
    assert settings["container-runtime"] == {"snapshotter": "soci"}
    assert settings["host-containers"] == {"admin": {"enabled": True}}


SOCI = tomllib.loads((ROOT / "charts/sd-runtimes/files/parallel-pull.toml").read_text("utf-8"))["settings"]


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("text", "own"),
    [
        ('settings.motd = "hello"', {"motd": "hello"}),
        ('[settings]\nmotd = "hello"', {"motd": "hello"}),
        ('settings.motd = "a # b"  # not a table: [settings.container-runtime]', {"motd": "a # b"}),
        ("# container-runtime\n", {}),
        ('settings.kernel.sysctl."vm.swappiness" = "10"', {"kernel": {"sysctl": {"vm.swappiness": "10"}}}),
        (
            '[settings.bootstrap-commands.a]\ncommands = [\n  ["apiclient", "get"], # x\n]\nmode = "once"',
            {"bootstrap-commands": {"a": {"commands": [["apiclient", "get"]], "mode": "once"}}},
        ),
        ('settings.motd = """\n# a\n\'b\n"""', {"motd": "# a\n'b\n"}),
    ],
)
def test_settings_for_image_pulls_fit_after_any_text(
    with_value: Callable[..., Objects], text: str, own: dict[str, Any]
) -> None:
    rendered = with_value("karpenter.nodeTemplate.userData", text)

    assert tomllib.loads(rendered.node_class("one")["userData"])["settings"] == {**own, **SOCI}


@pytest.mark.thorough
@pytest.mark.parametrize(
    "text",
    [
        'settings = {motd = "hello"}',
        '"settings" = {motd = "hello"}',
        '[settings."container-runtime"]\nsnapshotter = "overlayfs"',
        'settings.container-runtime.snapshotter = "overlayfs"',
        '[settings]\n"container\\u002druntime" = {snapshotter = "overlayfs"}',
        "[settings.container-runtime-plugins.soci-snapshotter]\npull-mode = 'parallel-pull-unpack'",
    ],
)
def test_a_text_that_may_set_the_same_tables_is_taken_as_it_is(
    with_value: Callable[..., Objects], text: str
) -> None:
    rendered = with_value("karpenter.nodeTemplate.userData", text)

    assert tomllib.loads(rendered.node_class("one")["userData"]) == tomllib.loads(text)


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_text_is_no_user_data(with_value: Callable[..., Objects], text: str) -> None:
    assert "userData" not in with_value("karpenter.nodeTemplate.userData", text).node_class("one")


@pytest.mark.parametrize(
    "text",
    [
        '# ["apiclient", "ephemeral-storage", "init"]',
        'settings.motd = "ephemeral-storage is set up"',
        'settings.motd = "x" # "ephemeral-storage"',
    ],
)
def test_commands_for_the_disks_are_found_in_values_only(
    with_value: Callable[..., Objects], text: str
) -> None:
    rendered = with_value("karpenter.nodeTemplate.userData", text)
    assert rendered.node_class("one")["instanceStorePolicy"] == "RAID0"


def test_no_toml_table_is_defined_twice(with_value: Callable[..., Objects], render: Render) -> None:
    user_data = '[settings.container-runtime]\nsnapshotter = "overlayfs"\n'
    rendered = with_value("karpenter.nodeTemplate.userData", user_data)
    settings = tomllib.loads(rendered.node_class("one")["userData"])["settings"]
    assert settings == {"container-runtime": {"snapshotter": "overlayfs"}}
    default = tomllib.loads(render(one={}).node_class("one")["userData"])["settings"]
    plugin = default["container-runtime-plugins"]["soci-snapshotter"]
    assert plugin["pull-mode"] == "parallel-pull-unpack"
