"""What the charts know of each type of runtime (charts/sd-runtimes/profiles), as far as AWS is concerned."""

from collections.abc import Mapping
from pathlib import Path

import yaml


def model_folders(charts: Path) -> Mapping[str, tuple[str, ...]]:
    """The folders that a type of runtime needs at the top of its models, by type."""
    files = sorted((charts / "sd-runtimes" / "profiles").glob("*.yaml"))
    found = {file.stem: yaml.safe_load(file.read_text("utf-8")).get("modelFolders", ()) for file in files}
    return {kind: tuple(folders) for kind, folders in found.items() if folders}
