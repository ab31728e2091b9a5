"""What the generator reads of the chart's runtime profiles (charts/sd-runtimes/profiles)."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from generator import yaml_loader
from generator.facts.quantity import GIB, parse

# The queue agent's volume, in charts/sd-runtimes/templates/runtime/_containers.tpl.
AGENT_SCRATCH = Decimal(5 * GIB)


@dataclass(frozen=True)
class DefaultImage:
    """The default image of a container. Both parts are empty for a custom runtime."""

    repository: str
    tag: str


@dataclass(frozen=True)
class Fixed:
    """An argument or variable that users cannot set: why, and the values that change nothing.

    "" among the values is an argument without a value.
    """

    reason: str
    allowed: tuple[str, ...]


@dataclass(frozen=True)
class Replaced:
    """A variable that users can set, with a loss: which, and what a value must contain to lose nothing."""

    reason: str
    contains: str


@dataclass(frozen=True)
class Arguments:
    """What a program's command line may not have.

    `fixed`: argument -> why it is fixed. `free`: arguments of their own that begin the name of a fixed one.
    `unknown`: why the program takes no others than those in `fixed` and `free`; "" if it has others.
    """

    fixed: Mapping[str, Fixed]
    free: tuple[str, ...]
    unknown: str

    def fault(self, name: str, value: str) -> str | None:
        """Why `name` with this value would break the pod; None if it can be set.

        Programs accept the beginning of a name, too (`--po` for `--port`).
        """
        for fixed, rule in self.fixed.items():
            short = len(name) > 3 and fixed.startswith(name) and name not in self.free
            if (name == fixed or short) and value not in rule.allowed:
                return rule.reason
        return None

    def knows(self, name: str) -> bool:
        """Whether the program may have this argument."""
        return not self.unknown or any(known.startswith(name) for known in (*self.fixed, *self.free))


@dataclass(frozen=True)
class RuntimeProfile:
    """One type of runtime.

    `model_folders`: the folders that must be in its models. `forge_folders`: those of them that only Forge
    needs, which runs as SD WebUI. `fixed`, `replaced`: its variables.
    `scratch`: where its scratch volumes are mounted; `scratch_bytes`: those of the pod together, when full.
    `writable_root`: whether it may also write elsewhere.
    """

    image: DefaultImage
    model_folders: tuple[str, ...]
    forge_folders: tuple[str, ...]
    arguments: Arguments
    fixed: Mapping[str, Fixed]
    replaced: Mapping[str, Replaced]
    scratch: tuple[str, ...]
    scratch_bytes: Decimal
    writable_root: bool


@dataclass(frozen=True)
class ChartFacts:
    """The runtime profiles by type, and what else the generator reads of the chart.

    `app_version`: the tag of this release's own images. `parallel_pull`: the nodes' settings for image pulls.
    """

    profiles: Mapping[str, RuntimeProfile]
    app_version: str
    parallel_pull: Mapping[str, Any]
    log_collector_image: DefaultImage
    gpu_exporter_image: DefaultImage


def load(charts: Path) -> ChartFacts:
    """Read the folder `charts`."""
    chart = charts / "sd-runtimes"
    shared = _read(chart / "files" / "reserved.yaml")
    profiles = {
        path.stem: _profile(_read(path), shared) for path in sorted((chart / "profiles").glob("*.yaml"))
    }
    values = _read(chart / "values.yaml")
    return ChartFacts(
        profiles=profiles,
        app_version=str(_read(chart / "Chart.yaml")["appVersion"]),
        parallel_pull=parallel_pull(charts),
        log_collector_image=_image(values["logs"]["image"]),
        gpu_exporter_image=_image(values["gpuMetrics"]["image"]),
    )


def parallel_pull(charts: Path) -> Mapping[str, Any]:
    """The Bottlerocket settings with which the chart has nodes pull images in parallel."""
    return tomllib.loads((charts / "sd-runtimes" / "files" / "parallel-pull.toml").read_text("utf-8"))


def _profile(profile: Any, shared: Any) -> RuntimeProfile:
    """A profile; `shared` has the rules about variables of every type."""
    arguments = Arguments(
        _fixed(profile.get("fixedArguments", {})),
        tuple(profile.get("freeArguments", ())),
        profile.get("otherArguments", ""),
    )
    forge = profile.get("forgeModelFolders", ())
    replaced = {**shared["replacedEnvironment"], **profile.get("replacedEnvironment", {})}
    return RuntimeProfile(
        image=_image(profile["image"]),
        model_folders=(*profile.get("modelFolders", ()), *forge),
        forge_folders=tuple(forge),
        arguments=arguments,
        fixed=_fixed({**shared["fixedEnvironment"], **profile.get("fixedEnvironment", {})}),
        replaced={name: Replaced(row["reason"], row.get("contains", "")) for name, row in replaced.items()},
        scratch=tuple(volume["path"] for volume in profile["scratch"].values()),
        scratch_bytes=sum((_size(volume) for volume in profile["scratch"].values()), AGENT_SCRATCH),
        writable_root=profile["writableRoot"],
    )


def _image(image: Any) -> DefaultImage:
    return DefaultImage(image["repository"], image["tag"])


def _size(volume: Any) -> Decimal:
    return parse(volume["sizeLimit"]) or Decimal(0)


def _fixed(rows: Any) -> dict[str, Fixed]:
    return {name: Fixed(row["reason"], tuple(row.get("allowed", ()))) for name, row in rows.items()}


def _read(path: Path) -> Any:
    return yaml_loader.load(path.read_text("utf-8"))


def model_folders(charts: Path) -> Mapping[str, tuple[str, ...]]:
    """The folders that must be in the models, by runtime type; types that need none are absent."""
    profiles = load(charts).profiles.items()
    return {kind: profile.model_folders for kind, profile in profiles if profile.model_folders}


def forge_folders(charts: Path) -> tuple[str, ...]:
    """The folders that only Forge needs in its models."""
    return load(charts).profiles["sdwebui"].forge_folders
