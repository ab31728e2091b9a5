"""Container images."""

from collections.abc import Iterator

from generator.config.node import ConfigNode
from generator.config.rules.base import WARNING, Case, Finding, agent, inference, rule

# Registries that China reaches badly or not at all.
PUBLIC = ("public.ecr.aws", "ghcr.io", "docker.io", "quay.io", "registry.k8s.io", "nvcr.io", "gcr.io")


def _images(runtime: ConfigNode) -> list[ConfigNode]:
    rows = [inference(runtime).at("image"), agent(runtime).at("image")]
    if agent(runtime).at("xray", "enabled").flag():
        rows.append(agent(runtime).at("xray", "daemon", "image"))
    return rows


def _in_china(case: Case) -> bool:
    region = case.facts.region(case.context.region or "")
    return region is not None and region.partition == "aws-cn"


@rule("SD811", WARNING)
def images_are_pinned(case: Case) -> Iterator[Finding]:
    """With the tag latest, two nodes can run two versions, and no one can say which."""
    for runtime in case.runtimes:
        for image in _images(runtime):
            if image.at("tag").text() == "latest" and not image.at("digest").text():
                what = "`latest` is another image tomorrow: two nodes can run two versions"
                yield Finding(image.at("tag"), what, "name a version, or add a digest")


@rule("SD812")
def china_has_a_registry(case: Case) -> Iterator[Finding]:
    """In China images come from a private registry: those of Karpenter, KEDA and the S3 driver are public."""
    if _in_china(case) and not case.config.at("imageRegistry").text():
        account, region = case.context.account or "ACCOUNT", case.context.region
        what = f"{region} does not reach the public registries of Karpenter, KEDA and the S3 driver reliably"
        registry = f"{account}.dkr.ecr.{region}.amazonaws.com.cn"
        help = f"set imageRegistry: {registry}; `generator images` says what to copy"
        place = case.config.at("imageRegistry" if case.config.at("imageRegistry").given else "region")
        yield Finding(place, what, help)


@rule("SD813")
def china_names_private_images(case: Case) -> Iterator[Finding]:
    """In China an image that the config names itself must not be in a public registry."""
    for runtime in case.runtimes if _in_china(case) else []:
        for image in _images(runtime):
            place = image.at("repository")
            host = (place.text() or "").partition("/")[0]
            if place.given and host in PUBLIC:
                what = f"{host} is a public registry, which China does not reach reliably"
                yield Finding(
                    place, what, "remove repository, so that imageRegistry counts, or name your registry"
                )


@rule("SD814", WARNING)
def images_can_be_pulled(case: Case) -> Iterator[Finding]:
    """With imagePullPolicy: Never a new node never has the image, unless a snapshot brought it."""
    for runtime in case.runtimes:
        snapshot = runtime.at("extraValues", "karpenter", "nodeTemplate", "dataVolume", "snapshotID")
        for container in (inference(runtime), agent(runtime)):
            place = container.at("imagePullPolicy")
            if place.text() == "Never" and not snapshot.text():
                what = "a new node has no images, so the pods of this runtime will never start there"
                yield Finding(place, what, "use IfNotPresent")


@rule("SD815")
def traces_have_a_collector(case: Case) -> Iterator[Finding]:
    """Traces go through an OpenTelemetry collector; the X-Ray daemon's image cannot take its place."""
    for runtime in case.runtimes:
        place = agent(runtime).at("xray", "daemon", "image", "repository")
        if place.given and (place.text() or "").endswith("aws-xray-daemon"):
            what = "this is the image of the X-Ray daemon, which cannot read the collector's settings"
            yield Finding(place, what, "remove xray.daemon.image")
