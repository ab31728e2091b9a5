"""Which resources a new template removes or replaces, from the two templates alone. Pure.

CloudFormation itself says so only in a change set, and to create one is a change.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from generator.deploy.changes import Change, kept
from generator.facts.replacement import CREATE_ONLY

Template = Mapping[str, Any]


def changes(before: Template, after: Template) -> list[Change]:
    """The resources of `before` that `after` removes, then those that it replaces."""
    old, new = before.get("Resources", {}), after.get("Resources", {})
    removed = [_removal(name, old[name]) for name in old if name not in new]
    replaced = _replaced(old, new)
    rows = [*removed, *(_replacement(name, old[name], fields) for name, fields in replaced.items())]
    return kept(rows, after, before)


def _removal(name: str, resource: Mapping[str, Any]) -> Change:
    return Change("Remove", name, resource["Type"], _physical_name(resource), "False", False, ())


def _replacement(name: str, resource: Mapping[str, Any], fields: frozenset[str]) -> Change:
    properties = tuple(sorted(fields))
    return Change("Modify", name, resource["Type"], _physical_name(resource), "True", False, properties)


def _replaced(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """The resources that are replaced, with the properties that cause it.

    What names a replaced resource in a property that cannot change is replaced with it.
    """
    both = [name for name in old if name in new]
    replaced = {name: fields for name in both if (fields := _fixed_changes(old[name], new[name]))}
    while more := {
        name: fields
        for name in both
        if name not in replaced and (fields := _fixed_references(new[name], replaced.keys()))
    }:
        replaced |= more
    return {name: replaced[name] for name in both if name in replaced}


def _fixed_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> frozenset[str]:
    """The properties that cannot change, and do; `Type` for a resource of another type."""
    if old["Type"] != new["Type"]:
        return frozenset({"Type"})
    before, after = old.get("Properties", {}), new.get("Properties", {})
    fixed = CREATE_ONLY.get(old["Type"], frozenset())
    return frozenset(name for name in fixed if before.get(name) != after.get(name))


def _fixed_references(resource: Mapping[str, Any], replaced: Any) -> frozenset[str]:
    """The properties that cannot change, and name a replaced resource."""
    fixed = CREATE_ONLY.get(resource["Type"], frozenset())
    properties = resource.get("Properties", {})
    return frozenset(name for name in fixed & properties.keys() if replaced & set(_named(properties[name])))


def _named(value: Any) -> Iterator[str]:
    """The logical ids in `Ref` and `Fn::GetAtt`."""
    if isinstance(value, list):
        for item in value:
            yield from _named(item)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if key == "Ref":
                yield str(item)
            elif key == "Fn::GetAtt":
                yield str(item[0] if isinstance(item, list) else item.partition(".")[0])
            else:
                yield from _named(item)


def _physical_name(resource: Mapping[str, Any]) -> str:
    """The name that the template gives to a resource; empty where CloudFormation chooses one."""
    properties = resource.get("Properties", {})
    names = (properties.get(name) for name in CREATE_ONLY.get(resource["Type"], ()) if name.endswith("Name"))
    return next((name for name in names if isinstance(name, str)), "")
