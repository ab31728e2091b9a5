"""Dumps YAML that parsers of YAML 1.1 (Python) and 1.2 (Go, AWS) read as the same values."""

import re
from typing import Any

import yaml

# Parsers of YAML 1.1 and 1.2 disagree on words such as `no`, `y` and `1e3`. A string is written without
# quotes only where every parser reads a string: it starts with a letter and is none of these words.
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./@-]*(:+[A-Za-z0-9_./@*-]+)*")
_NOT_PLAIN = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


class _Dumper(yaml.SafeDumper):
    """PyYAML's own dumper: libyaml's, where it is installed, formats some lines differently."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the signature is PyYAML's
        """Write no anchors: they make a values file hard to read."""
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        """Indent lists below their key."""
        super().increase_indent(flow, False)


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    if _PLAIN.fullmatch(value) and value.lower() not in _NOT_PLAIN:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value)
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else '"')


_Dumper.add_representer(str, _text)


def dump(data: Any) -> str:
    """`data` in the order given, one line for each leaf."""
    text: str = yaml.dump(
        data,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=float("inf"),
    )
    return text
