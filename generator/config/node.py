"""One place of a config, read with the types and defaults of the schema; wrong types read as absent."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from generator.config.document import ConfigDocument, Path, dotted

Schema = Mapping[str, Any]


@dataclass(frozen=True)
class ConfigNode:
    """A place: its path, the value there (the schema's default when the file gives none), its schema."""

    document: ConfigDocument
    root: Schema
    path: Path
    value: Any
    schema: Schema
    given: bool
    # Rules ask for the same places again and again; with a thousand runtimes that is most of the time.
    _known: dict[str, "ConfigNode"] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The path, as people write it."""
        return dotted(self.path)

    def at(self, *steps: str) -> "ConfigNode":
        """A place below this one."""
        place = self
        for step in steps:
            found = place._known.get(step)
            if found is None:
                found = place._known[step] = place._below(step)
            place = found
        return place

    def items(self) -> list["ConfigNode"]:
        """The places of a list's items."""
        if not isinstance(self.value, list):
            return []
        schema = resolved(self.schema.get("items", {}), self.root)
        return [
            ConfigNode(self.document, self.root, (*self.path, index), value, schema, self.given)
            for index, value in enumerate(self.value)
        ]

    def entries(self) -> list["ConfigNode"]:
        """The places below every key that the file gives."""
        return [self.at(key) for key in self.value] if isinstance(self.value, dict) else []

    @property
    def key(self) -> str:
        """The last step of the path."""
        return str(self.path[-1])

    def text(self) -> str | None:
        """The value, if it is text with something in it."""
        return self.value if isinstance(self.value, str) and self.value else None

    def whole(self) -> int | None:
        """The value, if it is a whole number."""
        return self.value if isinstance(self.value, int) and not isinstance(self.value, bool) else None

    def flag(self) -> bool | None:
        """The value, if it is true or false."""
        return self.value if isinstance(self.value, bool) else None

    def words(self) -> list[str]:
        """The texts of a list."""
        return [item.value for item in self.items() if isinstance(item.value, str)]

    def _below(self, step: str) -> "ConfigNode":
        schema = _child(self.schema, step, self.root)
        given = self.given and isinstance(self.value, dict) and step in self.value
        value = self.value[step] if given else schema.get("default")
        return ConfigNode(self.document, self.root, (*self.path, step), value, schema, given)


def top(document: ConfigDocument, schema: Schema) -> ConfigNode:
    """The whole config."""
    return ConfigNode(document, schema, (), document.data, schema, True)


def resolved(schema: Any, root: Schema) -> Schema:
    """A schema with its `$ref` followed."""
    if isinstance(schema, dict) and "$ref" in schema:
        target: Any = root
        for step in schema["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        return resolved(target, root)
    return schema if isinstance(schema, dict) else {}


def _child(schema: Schema, step: str, root: Schema) -> Schema:
    properties = schema.get("properties", {})
    return resolved(properties.get(step, schema.get("additionalProperties")), root)


def walk(place: ConfigNode) -> Iterator[ConfigNode]:
    """Every place that the file gives, the top one first."""
    yield place
    for below in [*place.entries(), *place.items()]:
        yield from walk(below)
