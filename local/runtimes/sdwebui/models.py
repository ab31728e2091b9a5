"""The checkpoints of the SD WebUI simulation, found by name with the rules of A1111."""

from __future__ import annotations

import hashlib
import re
from typing import Any

FOLDER = "/opt/ml/code/models/Stable-diffusion"


class Checkpoints:
    """The checkpoints at the last refresh. With `hashing`, a loaded one has its hash in its title."""

    def __init__(self, files: list[str], *, hashing: bool) -> None:
        self._folder = files
        self._hashing = hashing
        self._hashed: set[str] = set()
        self._names: list[str] = []
        self.refresh()

    def refresh(self) -> None:
        """Read the folder again."""
        self._names = list(self._folder)

    def loaded(self, file: str) -> None:
        """Note that this checkpoint has been loaded."""
        if self._hashing:
            self._hashed.add(file)

    def title(self, file: str) -> str:
        """The title of a checkpoint in the API."""
        return f"{file} [{_sha256(file)[:10]}]" if file in self._hashed else file

    def find(self, name: str) -> str | None:
        """The file for a name: as in A1111 1.10, a part of it is no name, nor is its path."""
        for file in self._names:
            base = stem(file).rpartition("/")[2]
            names = {file, stem(file).replace("/", "_"), base, self.title(file)}
            if file in self._hashed:
                names |= {_sha256(file), _sha256(file)[:10], f"{base} [{_sha256(file)[:10]}]"}
            if name in names:
                return file
        return None

    def listed(self) -> list[dict[str, Any]]:
        """The response of /sd-models."""
        return [
            {
                "title": self.title(file),
                "model_name": stem(file).replace("/", "_"),
                "hash": _sha256(file)[:10] if file in self._hashed else None,
                "sha256": _sha256(file) if file in self._hashed else None,
                "filename": f"{FOLDER}/{file}",
                "config": None,
            }
            for file in self._names
        ]


def stem(file: str) -> str:
    """A file name without its extension."""
    return re.sub(r"\.(safetensors|ckpt|pt)$", "", file)


def _sha256(file: str) -> str:
    return hashlib.sha256(file.encode()).hexdigest()
