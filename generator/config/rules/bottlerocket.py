"""What Bottlerocket, and Karpenter before it, make of the nodes' user data, releases and GPUs."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from generator.config.node import ConfigNode
from generator.config.rules.base import WARNING, Case, Finding, node_pool_of, node_template, provisioner, rule
from generator.config.schema import nearest
from generator.facts import versions
from generator.facts.bottlerocket import SettingFault
from generator.solution import user_data
from generator.solution.nodes import Nodes

# More names than these are not listed in a help.
_LISTED = 8
_TYPE_LABELS = ("node.kubernetes.io/instance-type", "karpenter.k8s.aws/instance-family")
# The name under which Karpenter mounts the NVMe disks.
_OWN_COMMAND = "000-mount-instance-storage"


@dataclass(frozen=True)
class _UserData:
    """The user data of one runtime's nodes: the user's own, and what the nodes get."""

    node: ConfigNode
    nodes: Nodes
    own: Mapping[str, Any]
    joined: Mapping[str, Any]

    def table(self, name: str) -> Mapping[str, Any]:
        """A table of the user's settings; empty when it is no table, which SD930 reports."""
        settings = self.own.get("settings", {})
        table = settings.get(name, {}) if isinstance(settings, Mapping) else {}
        return table if isinstance(table, Mapping) else {}


def _of_runtime(runtime: ConfigNode, case: Case) -> _UserData | None:
    """The user data of a runtime; None where it is not TOML, which SD919 reports."""
    node, nodes = node_template(runtime).at("userData"), node_pool_of(runtime)
    text = node.value if isinstance(node.value, str) else None
    if text and _syntax_fault(text):
        return None
    joined = user_data.joined(
        text,
        case.facts.bottlerocket.parallel_pull,
        image_cache=bool(nodes.data_volume.snapshot_id),
        local_disks=nodes.local_disks,
    )
    return _UserData(node, nodes, tomllib.loads(text or ""), joined)


def _user_data(case: Case) -> Iterator[_UserData]:
    """The user data of each runtime that has its own."""
    for runtime in case.runtimes:
        if node_template(runtime).at("userData").text() and (data := _of_runtime(runtime, case)):
            yield data


def _syntax_fault(text: str) -> str | None:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return str(error)
    return None


@rule("SD919")
def user_data_is_toml(case: Case) -> Iterator[Finding]:
    """userData is TOML with Bottlerocket settings. A node with invalid user data never joins the cluster."""
    for runtime in case.runtimes:
        node = node_template(runtime).at("userData")
        if (text := node.text()) and (fault := _syntax_fault(text)):
            help = "write Bottlerocket settings, such as [settings.kernel]"
            yield Finding(node, f"not valid TOML: {fault}", help)


@rule("SD920", WARNING)
def user_data_does_not_overlap_karpenter(case: Case) -> Iterator[Finding]:
    """Karpenter sets the cluster's settings and mounts the NVMe disks itself: userData should not."""
    for data in _user_data(case):
        kubernetes = data.table("kubernetes")
        for key in [key for key in case.facts.bottlerocket.set_by_karpenter if key in kubernetes]:
            yield Finding(data.node, f"Karpenter overwrites settings.kubernetes.{key}", "remove it")
        if not data.nodes.local_disks:
            continue
        for name in user_data.disk_commands(data.own):
            message = f"bootstrap-commands.{name} sets up the NVMe disks, as RAID0 does: it is left out"
            yield Finding(data.node, message, "remove these commands, or set instanceStorePolicy: None")
        if _OWN_COMMAND in data.table("bootstrap-commands"):
            message = f"Karpenter overwrites settings.bootstrap-commands.{_OWN_COMMAND}"
            yield Finding(data.node, message, "choose another name")


@rule("SD930")
def settings_are_known(case: Case) -> Iterator[Finding]:
    """A node whose user data has an unknown setting, or a value of a wrong type, does not start."""
    for data in _user_data(case):
        for fault in _faults(data, case):
            if not _dropped(fault):
                yield Finding(data.node, f"{fault.name} {fault.message}", _setting_help(fault))


@rule("SD931", WARNING)
def settings_reach_the_node(case: Case) -> Iterator[Finding]:
    """Karpenter passes on `settings` only, and of settings.kubernetes what it knows."""
    for data in _user_data(case):
        for key in data.own:
            if key != "settings":
                help = f"write settings.{key}" if key in case.facts.bottlerocket.settings else "remove it"
                yield Finding(data.node, f"Karpenter drops {key}, which is not in settings", help)
        for fault in _faults(data, case):
            if _dropped(fault):
                message = f"Karpenter drops {fault.name}, which it does not know"
                yield Finding(data.node, message, _setting_help(fault))


def _faults(data: _UserData, case: Case) -> Iterator[SettingFault]:
    """What is wrong with the settings that the node gets."""
    settings = data.joined.get("settings", {})
    if not isinstance(settings, Mapping):
        yield SettingFault((), "must be a table")
        return
    yield from case.facts.bottlerocket.faults(settings)


def _dropped(fault: SettingFault) -> bool:
    """Whether Karpenter drops the setting before Bottlerocket sees it."""
    return bool(fault.known) and fault.path[:1] == ("kubernetes",)


def _setting_help(fault: SettingFault) -> str:
    similar = nearest(fault.path[-1], fault.known) if fault.known else None
    if similar:
        return f"did you mean {similar}?"
    if 0 < len(fault.known) <= _LISTED:
        return f"use one of: {', '.join(fault.known)}"
    return "https://bottlerocket.dev/en/os/latest/api/settings/ lists all settings with their values"


@rule("SD932")
def bootstrap_commands_have_a_mode(case: Case) -> Iterator[Finding]:
    """Karpenter passes a bootstrap command without mode on with an empty one, which Bottlerocket rejects."""
    for data in _user_data(case):
        for name, command in user_data.bootstrap_commands(data.joined).items():
            if isinstance(command, Mapping) and "mode" not in command:
                message = f"settings.bootstrap-commands.{name} has no mode"
                yield Finding(data.node, message, 'write mode = "always", "once" or "off"')


@rule("SD933")
def release_has_soci(case: Case) -> Iterator[Finding]:
    """Parallel image pulls (SOCI) need Bottlerocket 1.44.0 or later: an older node does not start."""
    since = case.facts.bottlerocket.soci_since
    for runtime in case.runtimes:
        node = node_template(runtime).at("amiVersion")
        release = versions.bottlerocket_release(node.text() or "")
        if release is None or release >= versions.parse(since):
            continue
        data = _of_runtime(runtime, case)
        if data and user_data.has_soci(data.joined):
            message = (
                f"Bottlerocket {node.value} has no SOCI, which pulls images in parallel: {since} is the first"
            )
            yield Finding(node, message, 'remove the key, or set userData: "" for nodes without SOCI')


@rule("SD934", WARNING)
def image_cache_does_without_soci(case: Case) -> Iterator[Finding]:
    """An image cache was made by containerd's own snapshotter: with SOCI, nodes pull every image again."""
    for data in _user_data(case):
        if (
            data.nodes.data_volume.snapshot_id
            and data.table("container-runtime").get("snapshotter") == "soci"
        ):
            message = "with the snapshotter soci, nodes do not find the images of dataVolume.snapshotID"
            yield Finding(data.node, message, "remove settings.container-runtime.snapshotter")


@rule("SD808", WARNING)
def gpus_have_a_driver(case: Case) -> Iterator[Finding]:
    """Bottlerocket has no working NVIDIA driver for some GPU families: such a node does not start."""
    facts = case.facts.bottlerocket
    for runtime in case.runtimes:
        for item in _named_types(runtime):
            if (item.text() or "").partition(".")[0] in facts.families_without_driver:
                message = (
                    f"Bottlerocket has no driver for the GPU of {item.value}: such a node does not start"
                )
                yield Finding(item, message, f"remove it until it is supported, see {facts.driver_source}")


def _named_types(runtime: ConfigNode) -> Iterator[ConfigNode]:
    """The instance types and families that a config names for a runtime."""
    yield from provisioner(runtime).at("instanceType").items()
    for entry in provisioner(runtime).at("extraRequirements").items():
        if entry.at("key").text() in _TYPE_LABELS and entry.at("operator").text() == "In":
            yield from entry.at("values").items()
