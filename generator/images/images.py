"""Every container image of a solution: where it comes from, and by which name the cluster pulls it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from generator.facts import image_reference
from generator.solution.model import ContainerImage, Solution

# copied: from `source` to `name`. pulled: by its public name. built: from a folder of this project.
# yours: by the name in the config. eks: from EKS's own registry of the region.
How = Literal["copied", "pulled", "built", "yours", "eks"]

KARPENTER = "public.ecr.aws/karpenter/controller"
KEDA = ("kedacore/keda", "kedacore/keda-metrics-apiserver", "kedacore/keda-admission-webhooks")
KEDA_REGISTRY = "ghcr.io"

# Defaults of the Mountpoint S3 CSI driver's chart, by chart version: driver, then sidecars (repository, tag).
# https://github.com/awslabs/mountpoint-s3-csi-driver/tree/main/charts (values.yaml of each tag)
S3_CSI_DRIVER = "public.ecr.aws/mountpoint-s3-csi-driver/aws-mountpoint-s3-csi-driver"
S3_CSI_SIDECARS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "1.15.0": {
        "nodeDriverRegistrar": (
            "public.ecr.aws/eks-distro/kubernetes-csi/node-driver-registrar",
            "v2.10.0-eks-1-29-7",
        ),
        "livenessProbe": ("public.ecr.aws/eks-distro/kubernetes-csi/livenessprobe", "v2.12.0-eks-1-29-7"),
    },
    "2.4.1": {
        "nodeDriverRegistrar": (
            "public.ecr.aws/csi-components/csi-node-driver-registrar",
            "v2.16.0-eksbuild.1",
        ),
        "livenessProbe": ("public.ecr.aws/csi-components/livenessprobe", "v2.18.0-eksbuild.1"),
    },
    "2.7.0": {
        "nodeDriverRegistrar": (
            "public.ecr.aws/csi-components/csi-node-driver-registrar",
            "v2.17.0-eksbuild.2",
        ),
        "livenessProbe": ("public.ecr.aws/csi-components/livenessprobe", "v2.19.0-eksbuild.2"),
    },
}

# Add-ons come from EKS's registry of the region, with tags that EKS chooses. China's hosts, for firewalls:
# https://docs.amazonaws.cn/en_us/eks/latest/userguide/add-ons-images.html
EKS_REGISTRIES: Mapping[str, str] = {
    "cn-north-1": "918309763551.dkr.ecr.cn-north-1.amazonaws.com.cn",
    "cn-northwest-1": "961992271922.dkr.ecr.cn-northwest-1.amazonaws.com.cn",
}
ADD_ON_IMAGES = (
    "amazon-k8s-cni",
    "amazon-k8s-cni-init",
    "amazon/aws-network-policy-agent",
    "eks/kube-proxy",
    "eks/coredns",
)


@dataclass(frozen=True)
class Image:
    """One image: what it is for, and how it gets to the name that the cluster pulls."""

    part: str
    how: How
    source: str
    name: str
    # The runtime whose custom nodes are added to what is built from `source`, and the tag of the result.
    custom_nodes_of: str = ""
    tag: str = ""

    @property
    def tagged(self) -> str:
        """The name to push to: an image cannot be pushed by digest, so the digest becomes its tag."""
        image = image_reference.parse(self.name)
        if not image.digest:
            return self.name
        return f"{image.repository}:{self.tag or image.digest.replace(':', '-')}"


def images(solution: Solution) -> tuple[Image, ...]:
    """All images, each name once."""
    by_name: dict[str, Image] = {}
    # An existing cluster has its controllers and add-ons already.
    new = solution.existing_cluster is None
    controllers, add_ons = (_controllers(solution), _add_ons(solution)) if new else ((), ())
    for image in (*controllers, *_collectors(solution), *_runtimes(solution), *add_ons):
        by_name.setdefault(image.name, image)
    return tuple(by_name.values())


def pulled_names(solution: Solution) -> tuple[str, ...]:
    """The names of all images but those of EKS itself."""
    return tuple(image.name for image in images(solution) if image.how != "eks")


def _controllers(solution: Solution) -> Iterator[Image]:
    versions = solution.versions
    yield _public("Karpenter", f"{KARPENTER}:{versions.karpenter}", solution)
    for repository in KEDA:
        yield _public("KEDA", f"{KEDA_REGISTRY}/{repository}:{versions.keda_app}", solution)
    yield _public("S3 CSI driver", f"{S3_CSI_DRIVER}:v{versions.s3_csi}", solution)
    for repository, tag in S3_CSI_SIDECARS[versions.s3_csi].values():
        yield _public("S3 CSI driver", f"{repository}:{tag}", solution)


def _collectors(solution: Solution) -> Iterator[Image]:
    observability = solution.observability
    if observability.logs.enabled:
        yield _container("log collector", observability.log_collector_image, "")
    if observability.gpu_metrics:
        yield _container("DCGM exporter", observability.gpu_exporter_image, "")


def _runtimes(solution: Solution) -> Iterator[Image]:
    for runtime in solution.runtimes:
        image = _container(f"runtime {runtime.name}", runtime.runtime_image, f"images/{runtime.type}")
        if runtime.custom_nodes and image.how == "built":
            image = replace(image, custom_nodes_of=runtime.name, tag=runtime.runtime_image.default_tag)
        yield image
        yield _container("queue agent", runtime.agent_image, "agent")
        if runtime.xray:
            yield _container("trace collector", runtime.collector_image, "")


def _container(part: str, container: ContainerImage, folder: str) -> Image:
    """A container whose default image is public, or built from `folder` of this project."""
    name = container.name
    image, published = image_reference.parse(name), image_reference.parse(container.default_repository)
    if not published.path or not image.repository.endswith(f"/{published.path}"):
        return Image(part, "yours", name, name)
    if not published.registry:
        return Image(part, "built", folder, name)
    source = str(replace(published, tag=image.tag, digest=image.digest))
    return Image(part, "pulled" if source == name else "copied", source, name)


def _public(part: str, source: str, solution: Solution) -> Image:
    """A public image: pulled by its own name, or copied to the solution's registry."""
    if solution.image_registry is None:
        return Image(part, "pulled", source, source)
    name = image_reference.parse(source).in_registry(solution.image_registry)
    return Image(part, "copied", source, str(name))


def _add_ons(solution: Solution) -> Iterator[Image]:
    host = EKS_REGISTRIES.get(solution.region)
    if host:
        for path in ADD_ON_IMAGES:
            yield Image("EKS add-ons", "eks", f"{host}/{path}", f"{host}/{path}")
