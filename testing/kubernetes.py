"""Checks objects against the schemas of Kubernetes, each schema read once."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import kubernetes_validate
from kubernetes_validate import utils

# The library reads and parses two files of a megabyte for each object.
utils.schema_contents = cache(utils.schema_contents)


def check(manifest: Mapping[str, Any], version: str) -> None:
    """Raises `kubernetes_validate.ValidationError` for an object that Kubernetes would not accept."""
    kubernetes_validate.validate(dict(manifest), version, strict=True)
