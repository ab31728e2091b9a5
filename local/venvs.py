"""Virtual environments from requirements files in which every package has a hash."""

import hashlib
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from local import locks
from local.processes import LocalError


def interpreter(folder: Path, requirements: Path) -> Path:
    """The interpreter of the environment in `folder`, which is created if it is missing or out of date.

    Safe to call from several processes at once: one creates it, the others wait. Raises LocalError.
    """
    digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    stamp = folder / "made-from"
    with locks.lock(folder.with_suffix(".lock")):
        if not stamp.exists() or stamp.read_text() != digest:
            shutil.rmtree(folder, ignore_errors=True)
            venv.create(folder)  # without its own pip, which takes longer to install than the rest
            _install(folder, requirements)
            stamp.write_text(digest)
    return folder / "bin" / "python"


def _install(folder: Path, requirements: Path) -> None:
    log = folder / "pip.log"
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "--quiet"]
    with log.open("wb") as out:
        result = subprocess.run(  # noqa: S603 (our own command line)
            [
                *pip,
                "--disable-pip-version-check",
                "--require-hashes",
                "--only-binary",
                ":all:",
                "--requirement",
                str(requirements),
            ],
            stdout=out,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if result.returncode != 0:
        raise LocalError(
            f"the packages of {requirements.name} could not be installed",
            "check that pip reaches a Python package index (PIP_INDEX_URL sets a mirror), then run it again",
            log,
        )
