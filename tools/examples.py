"""Writes the example outputs that are in git.

`make examples` writes them; `python tools/examples.py --check` lists those that differ and exits with 1.
"""

import argparse
import sys
from pathlib import Path

from generator import app
from generator.build import files

ROOT = Path(__file__).resolve().parent.parent
# Folder in git -> the examples, and the files of their builds that are worth reading there.
PUBLISHED = {
    "examples/built/{name}": (("minimal", "three-runtimes", "china"), ("values/", "plan.md")),
    "cluster/ready-made/{name}": (("three-runtimes", "china", "eks-1.28"), ("cluster.yaml",)),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; list the files that differ")
    check = parser.parse_args().check
    expected = outputs()
    existing = {
        path for folder in ("examples/built", "cluster/ready-made") for path in (ROOT / folder).rglob("*.*")
    }
    stale = sorted(path for path in existing if path.is_file() and path not in expected)
    differing = sorted(path for path, text in expected.items() if not same(path, text))
    for path in [*differing, *stale]:
        print(path.relative_to(ROOT))
    if check:
        return 1 if differing or stale else 0
    for path in differing:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(expected[path], "utf-8", newline="\n")
    for path in stale:
        path.unlink()
    return 0


def outputs() -> dict[Path, str]:
    """Every file that should be in git, with its text."""
    expected = {}
    for folder, (names, prefixes) in PUBLISHED.items():
        for name in names:
            for path, text in build(name).items():
                if path.startswith(prefixes):
                    expected[ROOT / folder.format(name=name) / path] = text
    return expected


def build(name: str) -> dict[str, str]:
    """The build of one example, whose config has region and account."""
    path = ROOT / "examples" / f"{name}.yaml"
    return app.build(app.solve(app.open_config(str(path))), files.UMBRELLA)


def same(path: Path, text: str) -> bool:
    return path.is_file() and path.read_bytes() == text.encode()


if __name__ == "__main__":
    sys.exit(main())
