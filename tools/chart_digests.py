"""Record the SHA-256 of each chart that the table of EKS versions names (`make chart-digests`).

It downloads them from their registries with Helm, which verifies what an OCI registry sends against the
manifest of the version. A digest that is on record already is compared, and never replaced.
"""

import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from generator import paths
from generator.build.files import UMBRELLA
from generator.deploy import chart_deps, charts
from generator.deploy.tools import MissingProgramError, Tools
from generator.errors import AwsError
from generator.facts.facts import Facts

OUT = paths.data() / "charts.json"
SOURCE = "SHA-256 of each archive, as Helm downloads it from the repository in charts/sd-on-eks/Chart.yaml"


def dependencies(facts: Facts) -> Iterator[chart_deps.Dependency]:
    """The charts of others, of every EKS version, each once."""
    text = (charts.source(UMBRELLA) / "Chart.yaml").read_text("utf-8")
    rows = [
        dependency
        for eks in facts.eks_versions()
        for dependency in chart_deps.dependencies(
            chart_deps.pinned(text, chart_deps.chart_versions(facts.versions(eks)))
        )
        if not dependency.repository.startswith("file://")
    ]
    yield from dict.fromkeys(rows)


def downloaded(tools: Tools, facts: Facts) -> dict[str, str]:
    """The SHA-256 of each archive by its file name. Raises AwsError when Helm cannot download one."""
    with tempfile.TemporaryDirectory() as folder:
        for dependency in dependencies(facts):
            tools.run("helm", *chart_deps.fetch_command(dependency), "--destination", folder)
        return {
            archive.name: hashlib.sha256(archive.read_bytes()).hexdigest()
            for archive in sorted(Path(folder).glob("*.tgz"))
        }


def changed(recorded: Mapping[str, str], digests: Mapping[str, str]) -> list[str]:
    """The archives whose digest is no longer the one on record."""
    return [name for name, digest in digests.items() if recorded.get(name, digest) != digest]


def main() -> None:
    """Write generator/facts/data/charts.json, unless an archive has changed."""
    facts = Facts(paths.data())
    tools = Tools(lambda line: print(line, file=sys.stderr), dry_run=False, environment={})
    try:
        tools.need("helm")
        digests = downloaded(tools, facts)
    except (AwsError, MissingProgramError) as error:
        sys.exit(str(error))
    if names := changed(facts.chart_digests(), digests):
        sys.exit(
            f"not the archives on record: {', '.join(names)}. Nothing was written: ask their maintainers"
        )
    day = datetime.now(UTC).date().isoformat()
    OUT.write_text(json.dumps({"source": SOURCE, "date": day, "sha256": digests}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
