"""All checks of a subject, in the order in which a person wants to read them."""

from collections.abc import Iterator
from typing import Any

from generator.preflight import (
    boundary,
    credentials,
    existing_cluster,
    keys,
    limits,
    model_headers,
    models,
    node_images,
    objects,
    places,
    registry,
    reservations,
    rights,
    snapshots,
    spot,
    taken,
    versions,
)
from generator.preflight.check import Check, Subject

THEMES = (
    credentials,
    places,
    versions,
    existing_cluster,
    limits,
    spot,
    reservations,
    keys,
    models,
    model_headers,
    objects,
    node_images,
    snapshots,
    registry,
    taken,
    boundary,
    rights,
)


def checks(subject: Subject) -> Iterator[Check[Any]]:
    """Every check that this subject calls for."""
    for theme in THEMES:
        yield from theme.checks(subject)
