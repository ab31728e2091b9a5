"""Node pools that several runtimes share: their names, and that all runtimes want the same nodes."""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from generator.config.node import ConfigNode
from generator.config.rules.base import WARNING, Case, Finding, environment_text, karpenter, rule
from generator.config.schema import nearest
from generator.config.values import typed
from generator.solution import names, node_pool

# A setting below `karpenter`.
Setting = tuple[str, ...]
AMI_VERSION, IAM_ROLE, USER_DATA = (("nodeTemplate", key) for key in ("amiVersion", "iamRole", "userData"))


def _pool_node(runtime: ConfigNode) -> ConfigNode:
    return karpenter(runtime).at("nodePool")


def shared_pools(case: Case) -> dict[str, list[ConfigNode]]:
    """The runtimes of each shared pool, in the order of the file."""
    pools: dict[str, list[ConfigNode]] = {}
    for runtime in case.runtimes:
        if (pool := _pool_node(runtime).text()) and pool != node_pool.OWN:
            pools.setdefault(pool, []).append(runtime)
    return pools


@rule("SD980")
def runtimes_of_a_pool_agree(case: Case) -> Iterator[Finding]:
    """Runtimes that share a node pool must have the same settings below karpenter: the nodes are the same."""
    for first, *others in shared_pools(case).values():
        expected = _settings(first, case)
        for runtime in others:
            settings = _settings(runtime, case)
            for setting in sorted({*expected, *settings}):
                if settings.get(setting) != expected.get(setting):
                    here = _in_words(settings.get(setting), runtime, setting)
                    there = _in_words(expected.get(setting), first, setting)
                    yield _difference(runtime, setting, here, f"{there} {_place(first, setting)}")


def _difference(runtime: ConfigNode, setting: Setting, here: str, there: str) -> Finding:
    node = karpenter(runtime).at(*setting)
    message = f"{'.'.join(setting)} is {here} here, but {there}, in the same node pool"
    help = "write the same value for both, or another nodePool"
    return Finding(node if node.given else _pool_node(runtime), message, help)


def _in_words(text: str | None, runtime: ConfigNode, setting: Setting) -> str:
    if text is None:
        return "not set"
    return text if karpenter(runtime).at(*setting).given else f"{text} (the default)"


def _place(runtime: ConfigNode, setting: Setting) -> str:
    """The runtime and the line of the setting, or of the key with the pool where it is not set."""
    node = karpenter(runtime).at(*setting)
    line, _ = runtime.document.key((node if node.given else _pool_node(runtime)).path)
    return f"in runtime {runtime.at('name').text()!r} (line {line})"


def _settings(runtime: ConfigNode, case: Case) -> dict[Setting, str]:
    """Every setting of a runtime's nodes as text, with the defaults."""
    settings = {path: text for path, value in _leaves(typed(karpenter(runtime))) if (text := _text(value))}
    del settings["nodePool",]
    settings.setdefault(IAM_ROLE, names.controller_role(case.stack or "", "karpenter-node"))
    release = settings.get(AMI_VERSION, case.facts.versions(case.eks).bottlerocket)
    # The `v` of Bottlerocket's releases is optional.
    settings[AMI_VERSION] = release.removeprefix("v")
    if karpenter(runtime).at(*USER_DATA).value == "":
        settings[USER_DATA] = '""'  # no user data at all: the default is the settings for image pulls
    return settings


def _leaves(value: Any, path: Setting = ()) -> Iterator[tuple[Setting, Any]]:
    """The values of a mapping, at any depth, by their paths."""
    if isinstance(value, Mapping):
        yield from chain.from_iterable(_leaves(child, (*path, key)) for key, child in value.items())
    else:
        yield path, value


def _text(value: Any) -> str:
    """A value as text, nothing for an empty one; the same where only the order of a list differs."""
    if isinstance(value, Mapping):
        parts = [f"{key}: {text}" for key, child in sorted(value.items()) if (text := _text(child))]
        return f"{{{', '.join(parts)}}}" if parts else ""
    if isinstance(value, list):
        return f"[{', '.join(sorted(map(_text, value)))}]" if value else ""
    return environment_text(value)


@rule("SD981")
def pools_have_names_of_their_own(case: Case) -> Iterator[Finding]:
    """A shared node pool cannot have the name of a runtime with a pool of its own: both would be one pool."""
    shared = shared_pools(case)
    for runtime in case.runtimes:
        name = runtime.at("name").text() or ""
        if name in shared and _pool_node(runtime).text() in (None, node_pool.OWN):
            line, _ = runtime.document.key(runtime.at("name").path)
            message = f"the runtime {name!r} (line {line}) has a node pool of its own with this name"
            help = f"choose another name, or set nodePool: {name} for that runtime too"
            yield Finding(_pool_node(shared[name][0]), message, help)


@rule("SD982")
def names_of_pools_are_short_enough(case: Case) -> Iterator[Finding]:
    """The name of a shared node pool, with stackName before it, must fit a Kubernetes label."""
    for pool, (first, *_) in shared_pools(case).items():
        name = names.node_pool(case.stack or "", pool)
        excess = len(name) - names.KUBERNETES_NAME_MAX
        if excess > 0:
            message = f"the name of the NodePool would be {name!r}: {len(name)} characters; the maximum is "
            help = f"shorten nodePool or `stackName` by {excess}"
            yield Finding(_pool_node(first), f"{message}{names.KUBERNETES_NAME_MAX}", help)


@rule("SD984", WARNING)
def pools_are_shared(case: Case) -> Iterator[Finding]:
    """A shared node pool should have several runtimes."""
    pools = shared_pools(case)
    for pool, runtimes in pools.items():
        if len(runtimes) == 1:
            others = [node_pool.OWN, *(name for name in pools if name != pool)]
            close = nearest(pool, others)
            help = f"did you mean {close!r}?" if close else "give other runtimes the same one, or remove it"
            yield Finding(_pool_node(runtimes[0]), f"no other runtime is in the node pool {pool!r}", help)
