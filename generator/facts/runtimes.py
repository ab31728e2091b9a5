"""What the generator reads of the chart's runtime profiles (charts/sd-runtimes/profiles)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class DefaultImage:
    """The default image of a container. Both parts are empty for a custom runtime."""

    repository: str
    tag: str


@dataclass(frozen=True)
class RuntimeProfile:
    """One type of runtime: its image, and the folders that must be at the top of its models."""

    image: DefaultImage
    model_folders: tuple[str, ...]


@dataclass(frozen=True)
class ChartFacts:
    """The runtime profiles by type, and the chart's `appVersion`: the tag of this release's own images."""

    profiles: Mapping[str, RuntimeProfile]
    app_version: str


def load(charts: Path) -> ChartFacts:
    """Read the folder `charts`."""
    chart = charts / "sd-runtimes"
    profiles = {path.stem: _profile(path) for path in sorted((chart / "profiles").glob("*.yaml"))}
    return ChartFacts(profiles, str(_read(chart / "Chart.yaml")["appVersion"]))


def _profile(path: Path) -> RuntimeProfile:
    profile = _read(path)
    image = DefaultImage(profile["image"]["repository"], profile["image"]["tag"])
    return RuntimeProfile(image, tuple(profile.get("modelFolders", ())))


def _read(path: Path) -> Any:
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(path.read_text("utf-8"), loader)  # noqa: S506 - a safe loader


def model_folders(charts: Path) -> Mapping[str, tuple[str, ...]]:
    """The folders that must be at the top of the models, by runtime type; types that need none are absent."""
    profiles = load(charts).profiles.items()
    return {kind: profile.model_folders for kind, profile in profiles if profile.model_folders}
