"""The syntax of Kubernetes labels, annotations and taints.

https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
"""

import re

_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")

NAME_RULE = "at most 63 letters, digits, `-`, `_` and `.`, starting and ending with a letter or digit"


def key_fault(key: str) -> str | None:
    """Why Kubernetes rejects the key of a label, annotation or taint; None when it is valid."""
    prefix, slash, name = key.rpartition("/")
    if slash and (not _PREFIX.fullmatch(prefix) or len(prefix) > 253):
        return f"{prefix!r} before the / is not a valid domain name"
    return None if _NAME.fullmatch(name) else f"{name!r} is not a valid name"


def value_fault(value: str) -> str | None:
    """Why Kubernetes rejects the value of a label or taint; None when it is valid."""
    return None if not value or _NAME.fullmatch(value) else f"{value!r} is not a valid label value"
