"""What Karpenter accepts in NodePools and EC2NodeClasses, by Karpenter version.

The data is in charts/sd-runtimes/files/karpenter.yaml, which the chart reads too.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generator import yaml_loader
from generator.facts.versions import minor

_SIZE = re.compile(r"([1-9][0-9]*)([A-Z]i?)")


@dataclass(frozen=True)
class NodePoolRules:
    """What one range of Karpenter versions accepts. `since`: its first version, `1.12`."""

    since: str
    first_eks: str
    operators: frozenset[str]
    reserved_domains: tuple[str, ...]
    allowed_domains: tuple[str, ...]
    allowed_labels: frozenset[str]
    forbidden_labels: frozenset[str]
    forbidden_tags: frozenset[str]
    forbidden_tag_prefixes: tuple[str, ...]
    # Unit of a volume size -> the largest number with that unit.
    volume_sizes: Mapping[str, int]

    def allows_tag(self, key: str) -> bool:
        """Whether instances may have a tag with this key."""
        return key not in self.forbidden_tags and not key.startswith(self.forbidden_tag_prefixes)

    def unit_above_limit(self, size: str) -> str | None:
        """The unit of a volume size (`64Ti`) that is above the limit of its unit; None when it is allowed."""
        match = _SIZE.fullmatch(size)
        return match[2] if match and int(match[1]) > self.volume_sizes.get(match[2], 0) else None

    def reserved_domain(self, label: str) -> str | None:
        """The domain for which Karpenter rejects `label`; None when the domain is not the reason."""
        domain = label.partition("/")[0]
        if label in self.allowed_labels or domain.endswith(self.allowed_domains):
            return None
        return domain if domain.endswith(self.reserved_domains) else None


def load(charts: Path) -> tuple[NodePoolRules, ...]:
    """The rules of the chart's file, oldest version first."""
    text = (charts / "sd-runtimes" / "files" / "karpenter.yaml").read_text("utf-8")
    content: dict[str, Any] = yaml_loader.load(text)
    return tuple(
        NodePoolRules(
            since=row["karpenter"],
            first_eks=row["eks"],
            operators=frozenset(row["operators"]),
            reserved_domains=tuple(row["reservedDomains"]),
            allowed_domains=tuple(content["allowedDomains"]),
            allowed_labels=frozenset([*content["allowedLabels"], *row["newLabels"]]),
            forbidden_labels=frozenset(content["forbiddenLabels"]),
            forbidden_tags=frozenset(content["forbiddenTags"]),
            forbidden_tag_prefixes=tuple(content["forbiddenTagPrefixes"]),
            volume_sizes=content["volumeSizes"],
        )
        for row in content["versions"]
    )


def of_version(rules: Sequence[NodePoolRules], karpenter: str) -> NodePoolRules:
    """The rules of one Karpenter version (`1.14.1`); those of the oldest for a version before the file's."""
    matching = [row for row in rules if minor(row.since) <= minor(karpenter)]
    return matching[-1] if matching else rules[0]
