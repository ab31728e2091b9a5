"""A generated CloudFormation template, as tests look at it."""

from collections.abc import Iterator
from typing import Any

import yaml

Resource = dict[str, Any]


class Template:
    """One generated template."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.document = yaml.load(text, yaml.CSafeLoader)
        self.resources: dict[str, Resource] = self.document["Resources"]

    def of(self, kind: str) -> dict[str, Resource]:
        return {name: resource for name, resource in self.resources.items() if resource["Type"] == kind}

    def statements(self) -> Iterator[dict[str, Any]]:
        """Every statement of every policy, wherever it is."""
        yield from _statements(self.resources)


def _statements(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        yield from part.get("Statement", [])
        part = list(part.values())
    if isinstance(part, list):
        for item in part:
            yield from _statements(item)
