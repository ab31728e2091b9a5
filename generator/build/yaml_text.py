"""Data as YAML text that Python, Go and AWS read alike."""

import re
from typing import Any

import yaml

# Readers of YAML 1.1 and 1.2 disagree on words like `no`, `y` and `1e3`. A string goes without quotes only
# where none of them can see anything but a string: it begins with a letter and is none of these words.
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./@-]*(:+[A-Za-z0-9_./@*-]+)*")
_NOT_PLAIN = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


class _Dumper(yaml.SafeDumper):
    """PyYAML's own dumper, not libyaml's: that one writes some lines otherwise, and bytes must not differ."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the signature is PyYAML's
        """Always: a reader of a values file should not have to look an anchor up."""
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        """Lists stand in from their key."""
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
