"""What holds where a config says nothing. Read from the schema and the charts, and handed in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from generator.facts.runtimes import ChartFacts, DefaultImage


@dataclass(frozen=True)
class Defaults:
    """Defaults of the config's keys and of the containers' images, by runtime type where they differ."""

    config: Mapping[str, Any]
    # The keys of an entry of `modelsRuntime`.
    runtime: Mapping[str, Any]
    runtime_images: Mapping[str, DefaultImage]
    agent_image: DefaultImage
    collector_image: DefaultImage
    log_collector_image: DefaultImage
    gpu_exporter_image: DefaultImage
    # The user data with which nodes pull images in parallel.
    parallel_pull: Mapping[str, Any]


def defaults(config: Mapping[str, Any], runtime: Mapping[str, Any], charts: ChartFacts) -> Defaults:
    """Defaults of the schema (of the config, of one runtime), and the images that the charts name."""
    agent = runtime["extraValues"]["runtime"]["queueAgent"]
    collector = agent["xray"]["daemon"]["image"]
    return Defaults(
        config=config,
        runtime=runtime,
        runtime_images={kind: profile.image for kind, profile in charts.profiles.items()},
        agent_image=DefaultImage(agent["image"]["repository"], charts.app_version),
        collector_image=DefaultImage(collector["repository"], collector["tag"]),
        log_collector_image=charts.log_collector_image,
        gpu_exporter_image=charts.gpu_exporter_image,
        parallel_pull=charts.parallel_pull,
    )
