"""The user data of nodes: joined key by key, written as TOML that says the same, and checked."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator import yaml_loader
from generator.build import values as chart_values
from generator.deploy import charts, helm
from generator.facts.facts import Facts
from generator.solution import user_data
from tests.generator.conftest import Solve

SNAPSHOT = "snap-0123456789abcdef0"
PLUGIN = "container-runtime-plugins"


@pytest.fixture(scope="session")
def soci(facts: Facts) -> dict[str, Any]:
    return dict(facts.bottlerocket.parallel_pull["settings"])


def joined(facts: Facts, own: str | None, *, cache: bool = False, disks: bool = True) -> dict[str, Any]:
    pull = facts.bottlerocket.parallel_pull
    return dict(user_data.joined(own, pull, image_cache=cache, local_disks=disks))


def test_a_raised_pull_setting_keeps_the_snapshotter_and_every_other_setting(
    facts: Facts, soci: dict[str, Any]
) -> None:
    setting = f"settings.{PLUGIN}.soci-snapshotter.parallel-pull-unpack.max-concurrent-downloads-per-image"

    settings = joined(facts, f"{setting} = 20")["settings"]

    pull = soci[PLUGIN]["soci-snapshotter"]["parallel-pull-unpack"]
    assert settings["container-runtime"] == {"snapshotter": "soci"}
    assert settings[PLUGIN]["soci-snapshotter"]["parallel-pull-unpack"] == {
        **pull,
        "max-concurrent-downloads-per-image": 20,
    }


@pytest.mark.parametrize(
    "own",
    [
        'settings.motd = "hello"',
        '[settings]\nmotd = "hello"',
        'settings = {motd = "hello"}',
        '"settings"."motd" = \'hello\'',
        '# [settings.container-runtime]\n[settings]\nmotd = """hello"""',
    ],
)
def test_every_way_to_write_a_setting_is_joined(facts: Facts, soci: dict[str, Any], own: str) -> None:
    assert joined(facts, own)["settings"] == {**soci, "motd": "hello"}


def test_another_snapshotter_gets_no_settings_of_soci(facts: Facts) -> None:
    own = 'settings.container-runtime.snapshotter = "overlayfs"'

    assert joined(facts, own) == {"settings": {"container-runtime": {"snapshotter": "overlayfs"}}}


def test_no_text_means_soci_and_an_empty_one_nothing(facts: Facts) -> None:
    assert joined(facts, None) == facts.bottlerocket.parallel_pull
    assert joined(facts, "") == joined(facts, " \n") == {}


def test_an_image_cache_leaves_the_text_alone(facts: Facts) -> None:
    assert joined(facts, 'settings.motd = "hello"', cache=True) == {"settings": {"motd": "hello"}}


# The user data that the reference system has by default, with a command of the user's own in it.
COMMANDS = """
[settings.bootstrap-commands.k8s-ephemeral-storage]
commands = [["apiclient", "ephemeral-storage", "init"], ["apiclient", "ephemeral-storage", "bind"]]
mode = "always"
essential = true
[settings.bootstrap-commands.own]
commands = [["apiclient", "set", "motd=hello"], ["apiclient", "ephemeral-storage", "init"]]
mode = "once"
"""


def test_commands_that_karpenter_runs_itself_are_left_out(facts: Facts) -> None:
    commands = joined(facts, COMMANDS)["settings"]["bootstrap-commands"]

    assert commands == {"own": {"commands": [["apiclient", "set", "motd=hello"]], "mode": "once"}}


def test_they_stay_where_karpenter_does_not_set_up_the_disks(facts: Facts) -> None:
    commands = joined(facts, COMMANDS, disks=False)["settings"]["bootstrap-commands"]

    assert set(commands) == {"k8s-ephemeral-storage", "own"}


NAMES = st.one_of(st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True), st.text(max_size=6))
VALUES = st.recursive(
    st.one_of(st.text(max_size=12), st.booleans(), st.integers(-(2**60), 2**60), st.floats(allow_nan=False)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=12,
)


@pytest.mark.thorough
@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_a_table_is_written_as_toml_that_says_the_same(table: dict[str, Any]) -> None:
    assert tomllib.loads(user_data.text(table)) == table


def test_the_settings_for_image_pulls_are_known_to_bottlerocket(facts: Facts, soci: dict[str, Any]) -> None:
    assert list(facts.bottlerocket.faults(soci)) == []


@pytest.mark.thorough
@pytest.mark.parametrize(
    "text",
    [
        'settings.motd = "hello"',
        f"settings.{PLUGIN}.soci-snapshotter.parallel-pull-unpack.max-concurrent-unpacks-per-image = 3",
        'settings.container-runtime.snapshotter = "overlayfs"',
        '[[settings.container-registry.mirrors]]\nregistry = "*"\nendpoint = ["https://example.com"]',
        COMMANDS,
        "# nothing but a comment",
        'commands = [["apiclient", "ephemeral-storage", "init"]]  # not in settings',
    ],
)
def test_a_rendered_node_gets_the_joined_settings(solve: Solve, facts: Facts, text: str) -> None:
    [rendered] = node_classes(solve, {"userData": text})

    assert tomllib.loads(rendered["userData"]) == joined(facts, text)


@pytest.mark.parametrize(
    "template", [{"userData": ""}, {"userData": None, "dataVolume": {"snapshotID": SNAPSHOT}}]
)
def test_a_rendered_node_gets_no_user_data(solve: Solve, template: dict[str, Any]) -> None:
    assert ["userData" in node for node in node_classes(solve, template)] == [False]


def node_classes(solve: Solve, template: dict[str, Any]) -> list[dict[str, Any]]:
    """The specs of the EC2NodeClasses that helm renders for a config."""
    solution = solve(extra={"karpenter": {"nodeTemplate": template}})
    chart = charts.folder("sd-runtimes")
    text = helm.template("demo", chart, solution.versions.eks, chart_values.runtimes_alone(solution))
    documents = [document for document in yaml_loader.load_all(text) if document]
    return [document["spec"] for document in documents if document["kind"] == "EC2NodeClass"]
