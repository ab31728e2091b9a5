"""The Helm release, and the CRDs before it."""

from generator import paths
from generator.deploy import chart_deps, charts, eks, tools
from generator.deploy.job import Job
from generator.errors import AwsError
from generator.solution import names

OPERATORS_TIMEOUT = "10m"
CSI_DRIVER = "s3.csi.aws.com"


def sign_in(job: Job) -> None:
    """Write the kubeconfig that all later steps use."""
    job.tools.need("eksctl", "kubectl", "aws")
    cluster = job.solution.cluster
    if not job.dry_run and eks.own_cluster(job) is None:
        raise AwsError(f"cluster {cluster} does not exist yet: `make cluster` creates it")
    target = str(tools.kubeconfig(job.folder))
    command = ["eksctl", "utils", "write-kubeconfig", "--cluster", cluster, *eks.region(job)]
    job.tools.run(*command, "--kubeconfig", target)


def dependencies(job: Job) -> None:
    """Download the charts of Karpenter, KEDA and the CSI driver, in the versions of this EKS version."""
    made_from = [
        paths.data() / "versions.json",
        paths.data() / "charts.json",
        *charts.sources(paths.root() / "charts"),
    ]
    if charts.current(job.chart, made_from):
        job.say(f"{job.chart}: its dependencies are downloaded already")
        return
    chart_deps.download(job.tools, job.solution.versions, job.chart, job.facts.chart_digests())


def crds(job: Job) -> None:
    """Apply all CRDs: Helm installs CRDs but never upgrades them."""
    job.tools.need("helm", "kubectl")
    job.tools.pipe(
        ("helm", "show", "crds", str(job.chart)),
        ("kubectl", "apply", "--server-side", "--force-conflicts", "-f", "-"),
    )


def apply(job: Job) -> None:
    """Install or upgrade the release, and wait for the operators, which an existing cluster has already."""
    job.tools.need("helm", "kubectl")
    if job.solution.existing_cluster:
        job.tools.run(*_upgrade(job, all_values(job)))
        return
    _renew_csi_driver(job)
    job.tools.run(*_upgrade(job, all_values(job)))
    # Not `helm --wait`: it would wait for runtimes, that is for GPU nodes.
    job.tools.run(
        "kubectl", "wait", "deployment", "--namespace", names.PLATFORM_NAMESPACE, "--for=condition=Available",
        "--selector", f"app.kubernetes.io/instance={job.stack}", f"--timeout={OPERATORS_TIMEOUT}",
    )  # fmt: skip


def _renew_csi_driver(job: Job) -> None:
    """Delete a CSIDriver object that Helm could not change: version 2 sets podInfoOnMount.

    The field is immutable in EKS 1.29, and volumes that are mounted keep working.
    https://github.com/awslabs/mountpoint-s3-csi-driver/blob/main/docs/UPGRADING_TO_V2.md
    """
    if job.dry_run or not job.solution.versions.csi_has_pods:
        return
    row = (
        "get",
        "csidriver",
        CSI_DRIVER,
        "--ignore-not-found",
        "--output",
        "jsonpath={.spec.podInfoOnMount}",
    )
    if job.tools.read("kubectl", *row) == "false":
        job.tools.run("kubectl", "delete", "csidriver", CSI_DRIVER)


def prune(job: Job) -> None:
    """Upgrade to a release without runtimes: Karpenter and KEDA still run, and clean up after them."""
    job.tools.run(*_upgrade(job, _platform_values(job)))


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
    return [*_platform_values(job), *(str(folder / f"{one.name}.yaml") for one in job.solution.runtimes)]


def _platform_values(job: Job) -> list[str]:
    """The values of the controllers; none for an existing cluster, where the release has only runtimes."""
    return [] if job.solution.existing_cluster else [str(job.folder / "values" / "platform.yaml")]


def _upgrade(job: Job, values: list[str]) -> list[str]:
    command = ["helm", "upgrade", "--install", job.stack, str(job.chart)]
    command += ["--namespace", names.PLATFORM_NAMESPACE]
    return [*command, *(word for path in values for word in ("--values", path))]
