"""Kubernetes quantities as numbers: cores, bytes."""

import re
from decimal import Decimal

GIB = 2**30
MIB = 2**20

_UNITS = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{unit: Decimal(1000) ** power for power, unit in enumerate(("k", "M", "G", "T", "P"), 1)},
    **{unit: Decimal(1024) ** power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi"), 1)},
}
_FORM = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(?:([eE][0-9]{1,2})|(m|[kMGTP]|[KMGTP]i)?)")


def parse(value: object) -> Decimal | None:
    """The number of a quantity such as `500m` or `6Gi`; None when it is not a valid quantity."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    match = _FORM.fullmatch(str(value))
    if match is None:
        return None
    number, exponent, unit = match.groups()
    return Decimal(number + (exponent or "")) * _UNITS[unit or ""]


def gib(size: Decimal) -> str:
    """Bytes as text in GiB, with one decimal."""
    return f"{(size / GIB).quantize(Decimal('0.1')).normalize():f} GiB"
