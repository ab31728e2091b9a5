"""Values that the reference system spells otherwise."""

from collections.abc import Iterator

from generator.config.node import walk
from generator.config.rules.base import WARNING, Case, Finding, rule


@rule("SD112", WARNING)
def values_are_read_as_written(case: Case) -> Iterator[Finding]:
    """A value in another spelling, such as a name in upper case, is read as the reference system does."""
    for node in walk(case.config):
        if not {"x-any-case", "x-aliases"} & node.schema.keys():
            continue
        written, value = node.document.raw(node.path), str(node.value)
        if value == written:
            continue
        if value:
            yield Finding(node, f"{written!r} is read as {value!r}", f"write {value}")
        else:
            message = f"{written!r} has no effect: the default applies ({node.schema['x-default']})"
            yield Finding(node, message, "remove the key", on_key=True)
