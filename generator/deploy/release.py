"""What runs in the cluster: CRDs, then the one Helm release."""

import sys
from collections.abc import Iterable
from pathlib import Path

from generator import paths
from generator.build import files
from generator.deploy import eks, tools
from generator.deploy.job import Job, RefusedError
from generator.errors import AwsError
from generator.solution import names

OPERATORS_TIMEOUT = "10m"


def sign_in(job: Job) -> None:
    """Write the kubeconfig that all later steps use."""
    job.tools.need("eksctl", "kubectl", "aws")
    if not job.dry_run and eks.found(job) is None:
        raise AwsError(f"there is no cluster {job.stack} yet: `make cluster` makes it")
    target = str(tools.kubeconfig(job.folder))
    command = ["eksctl", "utils", "write-kubeconfig", "--cluster", job.stack, *eks.region(job)]
    job.tools.run(*command, "--kubeconfig", target)


def dependencies(job: Job) -> None:
    """Pull the charts of Karpenter, KEDA and the CSI driver, in the versions of this EKS version."""
    root, eks_version = paths.root(), job.solution.versions.eks
    script = Path(__file__).with_name("chart_deps.py")
    if current(job.chart, sources(root)):
        job.say(f"{job.chart}: its charts are there")
        return
    if not script.exists():
        raise RefusedError(f"{job.chart} lacks its charts: run `make deps EKS={eks_version}` in a clone")
    job.tools.need("helm")
    helm = tools.found("helm") or "helm"
    job.tools.run(sys.executable, str(script), "--eks", eks_version, "--helm", helm)


def sources(root: Path) -> list[Path]:
    """What the pulled and packed charts were made from."""
    own = [root / "charts" / files.RUNTIMES_ALONE, root / "charts" / files.UMBRELLA]
    made = {own[1] / "charts", own[1] / "crds"}
    found = [path for folder in own for path in folder.rglob("*") if made.isdisjoint(path.parents)]
    return [root / "generator" / "facts" / "data" / "versions.json", *found]


def current(chart: Path, made_from: Iterable[Path]) -> bool:
    """Whether the charts in a chart's folder are there, and none is older than what it was made from."""
    packed = [path.stat().st_mtime for path in (chart / "charts").glob("*.tgz")]
    changed = [path.stat().st_mtime for path in made_from if path.is_file()]
    return bool(packed) and min(packed) >= max(changed, default=0.0)


def crds(job: Job) -> None:
    """Apply all CRDs: Helm installs them once and never again."""
    job.tools.need("helm", "kubectl")
    job.tools.pipe(
        ("helm", "show", "crds", str(job.chart)),
        ("kubectl", "apply", "--server-side", "--force-conflicts", "-f", "-"),
    )


def apply(job: Job) -> None:
    """Install or upgrade the release, and wait for the operators."""
    job.tools.need("helm", "kubectl")
    job.tools.run(*_upgrade(job, all_values(job)))
    # Not `helm --wait`: it would wait for runtimes, that is for GPU nodes.
    job.tools.run(
        "kubectl", "wait", "deployment", "--namespace", names.PLATFORM_NAMESPACE, "--for=condition=Available",
        "--selector", f"app.kubernetes.io/instance={job.stack}", f"--timeout={OPERATORS_TIMEOUT}",
    )  # fmt: skip


def prune(job: Job) -> None:
    """The release without runtimes: Karpenter and KEDA live, and clean up after them."""
    job.tools.run(*_upgrade(job, [str(job.folder / "values" / "platform.yaml")]))


def uninstall(job: Job) -> None:
    """Remove the release."""
    command = ["helm", "uninstall", job.stack, "--namespace", names.PLATFORM_NAMESPACE]
    job.tools.run(*command, "--ignore-not-found", "--wait")


def installed(job: Job) -> bool:
    """Whether the release exists."""
    listed = job.tools.read("helm", "status", job.stack, "--namespace", names.PLATFORM_NAMESPACE)
    return listed is not None


def all_values(job: Job) -> list[str]:
    """The values files of the build, in the order of the config."""
    folder = job.folder / "values"
    generated = [folder / "platform.yaml", *(folder / f"{r.name}.yaml" for r in job.solution.runtimes)]
    return [str(path) for path in generated]


def _upgrade(job: Job, values: list[str]) -> list[str]:
    command = ["helm", "upgrade", "--install", job.stack, str(job.chart)]
    command += ["--namespace", names.PLATFORM_NAMESPACE]
    return [*command, *(word for path in values for word in ("--values", path))]
