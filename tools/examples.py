"""Keeps the outputs that are in git to be read equal to what the generator makes of the examples.

`make examples` writes them; `python tools/examples.py --check` names those that differ and ends with 1.
"""

import argparse
import sys
from pathlib import Path

from generator import app
from generator.build import files

ROOT = Path(__file__).resolve().parent.parent
# Files that people read, by the folder that shows them. The rest of a build is for machines, or too long.
READ = {
    "examples/built/{name}": (("minimal", "three-runtimes", "china"), ("values/", "plan.md")),
    "cluster/ready-made/{name}": (("three-runtimes", "china"), ("cluster.yaml",)),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; name what differs")
    check = parser.parse_args().check
    wanted = outputs()
    present = {
        path for folder in ("examples/built", "cluster/ready-made") for path in (ROOT / folder).rglob("*.*")
    }
    stale = sorted(path for path in present if path.is_file() and path not in wanted)
    differing = sorted(path for path, text in wanted.items() if not same(path, text))
    for path in [*differing, *stale]:
        print(path.relative_to(ROOT))
    if check:
        return 1 if differing or stale else 0
    for path in differing:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted[path], "utf-8", newline="\n")
    for path in stale:
        path.unlink()
    return 0


def outputs() -> dict[Path, str]:
    """Every file that should be in git, with its text."""
    wanted = {}
    for folder, (names, shown) in READ.items():
        for name in names:
            for path, text in build(name).items():
                if path.startswith(shown):
                    wanted[ROOT / folder.format(name=name) / path] = text
    return wanted


def build(name: str) -> dict[str, str]:
    """The build of one example, which says its region and account itself."""
    path = ROOT / "examples" / f"{name}.yaml"
    return app.build(app.solve(app.open_config(str(path))), files.UMBRELLA)


def same(path: Path, text: str) -> bool:
    return path.is_file() and path.read_bytes() == text.encode()


if __name__ == "__main__":
    sys.exit(main())
