"""One node of a config, read with the types and defaults of the schema; wrong types read as absent."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from generator.config.document import ConfigDocument, Path, dotted

Schema = Mapping[str, Any]


@dataclass(frozen=True)
class ConfigNode:
    """A node: its path, its value (the schema's default when the file has none), its schema.

    `given`: whether the file sets the value.
    """

    document: ConfigDocument
    root: Schema
    path: Path
    value: Any
    schema: Schema
    given: bool
    # Rules read the same nodes many times; with 1,000 runtimes, creating them would take most of the time.
    _children: dict[str, "ConfigNode"] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The path in the usual notation, `modelsRuntime[0].name`."""
        return dotted(self.path)

    def at(self, *steps: str) -> "ConfigNode":
        """The node at a path below this one."""
        node = self
        for step in steps:
            child = node._children.get(step)
            if child is None:
                child = node._children[step] = node._child(step)
            node = child
        return node

    def items(self) -> list["ConfigNode"]:
        """The items of a list."""
        if not isinstance(self.value, list):
            return []
        schema = resolved(self.schema.get("items", {}), self.root)
        return [
            ConfigNode(self.document, self.root, (*self.path, index), value, schema, self.given)
            for index, value in enumerate(self.value)
        ]

    def entries(self) -> list["ConfigNode"]:
        """The values of a mapping, for every key in the file."""
        return [self.at(key) for key in self.value] if isinstance(self.value, dict) else []

    @property
    def key(self) -> str:
        """The last step of the path."""
        return str(self.path[-1])

    def text(self) -> str | None:
        """The value, if it is a string that is not empty."""
        return self.value if isinstance(self.value, str) and self.value else None

    def whole(self) -> int | None:
        """The value, if it is an integer."""
        return self.value if isinstance(self.value, int) and not isinstance(self.value, bool) else None

    def flag(self) -> bool | None:
        """The value, if it is a boolean."""
        return self.value if isinstance(self.value, bool) else None

    def words(self) -> list[str]:
        """The strings of a list."""
        return [item.value for item in self.items() if isinstance(item.value, str)]

    def _child(self, step: str) -> "ConfigNode":
        schema = child_schema(self.schema, step, self.root)
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


def child_schema(schema: Schema, step: str, root: Schema) -> Schema:
    """The schema of the value under a key of a mapping."""
    properties = schema.get("properties", {})
    return resolved(properties.get(step, schema.get("additionalProperties")), root)


def walk(node: ConfigNode) -> Iterator[ConfigNode]:
    """Every node in the file, parents first."""
    yield node
    for child in [*node.entries(), *node.items()]:
        yield from walk(child)
