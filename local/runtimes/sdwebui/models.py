"""The checkpoints that the SD WebUI simulation knows, found by name as A1111 finds them."""

from __future__ import annotations

import hashlib
import re
from typing import Any

FOLDER = "/opt/ml/code/models/Stable-diffusion"


class Checkpoints:
    """What was in the folder when last looked at. `hashing`: a loaded one has its hash in its title."""

    def __init__(self, files: list[str], *, hashing: bool) -> None:
        self._folder = files
        self._hashing = hashing
        self._hashed: set[str] = set()
        self._known: list[str] = []
        self.refresh()

    def refresh(self) -> None:
        """Look into the folder again."""
        self._known = list(self._folder)

    def loaded(self, file: str) -> None:
        """This one is in memory now."""
        if self._hashing:
            self._hashed.add(file)

    def title(self, file: str) -> str:
        """Its title as the API shows it."""
        return f"{file} [{_sha256(file)[:10]}]" if file in self._hashed else file

    def find(self, text: str) -> str | None:
        """The file for a name. As A1111 does, any part of a title will do, and the shortest title wins."""
        for file in self._known:
            if text in (
                file,
                stem(file),
                self.title(file),
                f"{FOLDER}/{file}",
                _sha256(file),
                _sha256(file)[:10],
            ):
                return file
        for part in (text, re.sub(r"\s*\[[0-9a-f]+\]\s*$", "", text)):
            found = sorted((file for file in self._known if part in self.title(file)), key=len)
            if found:
                return found[0]
        return None

    def listed(self) -> list[dict[str, Any]]:
        """The answer of /sd-models."""
        return [
            {
                "title": self.title(file),
                "model_name": stem(file).replace("/", "_"),
                "hash": _sha256(file)[:10] if file in self._hashed else None,
                "sha256": _sha256(file) if file in self._hashed else None,
                "filename": f"{FOLDER}/{file}",
                "config": None,
            }
            for file in self._known
        ]


def stem(file: str) -> str:
    """A file's name without its ending."""
    return re.sub(r"\.(safetensors|ckpt|pt)$", "", file)


def _sha256(file: str) -> str:
    return hashlib.sha256(file.encode()).hexdigest()
