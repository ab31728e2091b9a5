"""The forms that Kubernetes gives to labels, taints and names."""

import re

_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")

NAME_RULE = "at most 63 letters, digits, `-`, `_` and `.`, beginning and ending with a letter or digit"


def key_fault(key: str) -> str | None:
    """Why Kubernetes would refuse a key of a label, annotation or taint."""
    prefix, slash, name = key.rpartition("/")
    if slash and (not _PREFIX.fullmatch(prefix) or len(prefix) > 253):
        return f"{prefix!r} before the / is no domain name"
    return None if _NAME.fullmatch(name) else f"{name!r} is no name"


def value_fault(value: str) -> str | None:
    """Why Kubernetes would refuse a value of a label or taint."""
    return None if not value or _NAME.fullmatch(value) else f"{value!r} is no label value"
