"""Record the SHA-256 of each chart that the table of EKS versions names (`make chart-digests`).

It downloads them from their registries with Helm, which verifies what an OCI registry sends against the
manifest of the version. What is on record already is compared, and never replaced.
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
from generator.deploy import chart_deps, chart_digests, charts
from generator.deploy.tools import MissingProgramError, Tools
from generator.errors import AwsError
from generator.facts.facts import Facts
from generator.facts.versions import ChartDigests

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
        if not dependency.ours
    ]
    yield from dict.fromkeys(rows)


def downloaded(tools: Tools, facts: Facts) -> dict[str, bytes]:
    """Each archive by its file name. Raises AwsError when Helm cannot download one."""
    with tempfile.TemporaryDirectory() as folder:
        for dependency in dependencies(facts):
            tools.run("helm", *chart_deps.fetch_command(dependency), "--destination", folder)
        return {archive.name: archive.read_bytes() for archive in sorted(Path(folder).glob("*.tgz"))}


def changed(recorded: ChartDigests, archives: Mapping[str, bytes]) -> list[str]:
    """The archives that are on record, and are not what the record says."""
    known = recorded.archives.keys() | recorded.contents.keys()
    return [
        name
        for name, content in archives.items()
        if name in known and chart_digests.unexpected(name, content, recorded)
    ]


def main() -> None:
    """Write generator/facts/data/charts.json, unless an archive has changed."""
    facts = Facts(paths.data())
    tools = Tools(lambda line: print(line, file=sys.stderr), dry_run=False, environment={})
    try:
        tools.need("helm")
        archives = downloaded(tools, facts)
    except (AwsError, MissingProgramError) as error:
        sys.exit(str(error))
    if names := changed(facts.chart_digests(), archives):
        sys.exit(
            f"not the archives on record: {', '.join(names)}. Nothing was written: ask their maintainers"
        )
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in archives.items()}
    day = datetime.now(UTC).date().isoformat()
    record = json.loads(OUT.read_text("utf-8")) | {"source": SOURCE, "date": day, "sha256": digests}
    OUT.write_text(json.dumps(record, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
