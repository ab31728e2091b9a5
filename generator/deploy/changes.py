"""Describes a change set for people. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from generator.facts.replacement import HOLD_DATA

_SIGNS = {"Add": "+", "Modify": "~", "Remove": "-", "Import": ">", "Dynamic": "?"}
# CloudFormation's values for a resource that it replaces, or cannot rule out replacing.
_MAY_REPLACE = {"True": "replaced", "Conditional": "may be replaced"}


@dataclass(frozen=True)
class Change:
    """What happens to one resource. `keeps`: a resource that leaves the stack stays in the account."""

    action: str
    logical_id: str
    type: str
    physical_id: str
    replacement: str
    keeps: bool
    properties: tuple[str, ...]

    @property
    def loses(self) -> bool:
        """Whether something that exists may be deleted."""
        gone = self.action == "Remove" or self.replacement in _MAY_REPLACE
        return gone and not self.keeps

    @property
    def loses_data(self) -> bool:
        """Whether tasks or pictures may be deleted."""
        return self.loses and self.type in HOLD_DATA

    def __str__(self) -> str:
        """One line, as in `~ AWS::SQS::Queue OneQueue (VisibilityTimeout)`."""
        line = f"{_SIGNS.get(self.action, '?')} {self.type} {self.physical_id or self.logical_id}"
        notes = [*self.properties]
        if self.replacement in _MAY_REPLACE:
            notes.append(f"{_MAY_REPLACE[self.replacement]}{', the old one is kept' if self.keeps else ''}")
        if self.action == "Remove":
            notes.append("kept in the account" if self.keeps else "deleted")
        return f"{line} ({', '.join(notes)})" if notes else line


def changes(rows: Iterable[Mapping[str, Any]]) -> list[Change]:
    """The changes of `describe_change_set`."""
    listed = [row["ResourceChange"] for row in rows if "ResourceChange" in row]
    replaced = _replaced(listed)
    return [_change(row, row["LogicalResourceId"] in replaced) for row in listed]


def _replaced(rows: Sequence[Mapping[str, Any]]) -> set[str]:
    """What is replaced, or may be.

    CloudFormation reports `Conditional` for a resource that uses an attribute (such as a function's ARN) of
    one that changes. Where that one is not replaced the attribute stays: such a report is dropped.
    """
    replaced = {str(row["LogicalResourceId"]) for row in rows if row.get("Replacement") in _MAY_REPLACE}
    while unfounded := {
        str(row["LogicalResourceId"])
        for row in rows
        if row.get("Replacement") == "Conditional"
        and row["LogicalResourceId"] in replaced
        and row.get("Details")
        and not any(_may_recreate(detail, replaced) for detail in row["Details"])
    }:
        replaced -= unfounded
    return replaced


def _may_recreate(detail: Mapping[str, Any], replaced: set[str]) -> bool:
    """Whether a detail can lead to a replacement."""
    if detail.get("Target", {}).get("RequiresRecreation", "Never") == "Never":
        return False
    owner = str(detail.get("CausingEntity", "")).partition(".")[0]
    by_attribute = detail.get("ChangeSource") == "ResourceAttribute" and detail.get("Evaluation") == "Dynamic"
    return not by_attribute or owner in replaced


def _change(row: Mapping[str, Any], replaced: bool) -> Change:
    targets = [detail.get("Target", {}) for detail in row.get("Details", ())]
    named = {target.get("Name") or target.get("Attribute", "") for target in targets}
    return Change(
        action=str(row["Action"]),
        logical_id=str(row["LogicalResourceId"]),
        type=str(row["ResourceType"]),
        physical_id=str(row.get("PhysicalResourceId") or ""),
        replacement=str(row.get("Replacement", "False")) if replaced else "False",
        keeps="Retain" in str(row.get("PolicyAction", "")),
        properties=tuple(sorted(name for name in named if name)),
    )


def kept(listed: Sequence[Change], template: Mapping[str, Any], before: Mapping[str, Any]) -> list[Change]:
    """The same, with `keeps` set from the templates' policies: not every answer of AWS has it."""
    return [
        Change(**{**vars(change), "keeps": True}) if _policy_keeps(change, template, before) else change
        for change in listed
    ]


def _policy_keeps(change: Change, template: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    source = before if change.action == "Remove" else template
    policy = "DeletionPolicy" if change.action == "Remove" else "UpdateReplacePolicy"
    resource = source.get("Resources", {}).get(change.logical_id, {})
    return change.keeps or str(resource.get(policy, "")).startswith("Retain")
