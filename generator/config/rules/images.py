"""Container images: pinned, and in a registry that nodes can reach."""

from collections.abc import Iterator

from generator.config.canonical import is_ignored
from generator.config.node import ConfigNode
from generator.config.rules.base import WARNING, Case, Finding, agent, inference, rule
from generator.facts import image_reference

# Public registries, which cannot be relied on from within China.
PUBLIC_REGISTRIES = frozenset(
    {"public.ecr.aws", "ghcr.io", "docker.io", "quay.io", "registry.k8s.io", "nvcr.io", "gcr.io"}
)


def _images(runtime: ConfigNode) -> list[ConfigNode]:
    images = [inference(runtime).at("image"), agent(runtime).at("image")]
    if agent(runtime).at("xray", "enabled").flag():
        images.append(agent(runtime).at("xray", "daemon", "image"))
    return images


def _in_china(case: Case) -> bool:
    region = case.facts.region(case.context.region or "")
    return region is not None and region.partition == "aws-cn"


@rule("SD811", WARNING)
def images_are_pinned(case: Case) -> Iterator[Finding]:
    """With the tag latest, two nodes can run different versions."""
    for runtime in case.runtimes:
        for image in _images(runtime):
            if image.at("tag").text() == "latest" and not image.at("digest").text():
                message = "`latest` changes over time: two nodes can run different versions"
                yield Finding(image.at("tag"), message, "set a version, or add a digest")


@rule("SD812")
def china_has_a_registry(case: Case) -> Iterator[Finding]:
    """In China, imageRegistry is required: Karpenter, KEDA and the S3 CSI driver are in public registries."""
    if _in_china(case) and not case.config.at("imageRegistry").text():
        account, region = case.context.account or "ACCOUNT", case.context.region or ""
        message = f"{region} cannot rely on the public registries of Karpenter, KEDA and the S3 CSI driver"
        registry = image_reference.ecr_host(account, region, case.facts.partition(region).dns_suffix)
        help = f"set imageRegistry: {registry}; `generator images` lists what to copy"
        node = case.config.at("imageRegistry" if case.config.at("imageRegistry").given else "region")
        yield Finding(node, message, help)


@rule("SD813")
def china_names_private_images(case: Case) -> Iterator[Finding]:
    """In China, an image that the config sets must not be in a public registry."""
    for runtime in case.runtimes if _in_china(case) else []:
        for image in _images(runtime):
            node = image.at("repository")
            registry = image_reference.parse(node.text() or "").registry
            if node.given and registry in PUBLIC_REGISTRIES:
                message = f"{registry} is a public registry, which is not reliable from China"
                yield Finding(
                    node, message, "remove repository to use imageRegistry, or set your own registry"
                )


@rule("SD814", WARNING)
def images_can_be_pulled(case: Case) -> Iterator[Finding]:
    """With imagePullPolicy: Never, a new node has no image, unless a snapshot provides it."""
    for runtime in case.runtimes:
        snapshot = runtime.at("extraValues", "karpenter", "nodeTemplate", "dataVolume", "snapshotID")
        for container in (inference(runtime), agent(runtime)):
            node = container.at("imagePullPolicy")
            if node.text() == "Never" and not snapshot.text():
                message = "a new node has no images, so pods of this runtime never start there"
                yield Finding(node, message, "use IfNotPresent")


@rule("SD815", WARNING)
def traces_have_a_collector(case: Case) -> Iterator[Finding]:
    """Traces go through an OpenTelemetry collector; the X-Ray daemon's image, which cannot, is ignored."""
    for runtime in case.runtimes:
        image = agent(runtime).at("xray", "daemon", "image")
        node = image.at("repository")
        # The canonical form of the config has no such image: read the file.
        if is_ignored(node.document.raw(node.path), image.schema):
            message = "the X-Ray daemon's image has no effect: traces go through an OpenTelemetry collector"
            yield Finding(node, message, "remove xray.daemon.image")
