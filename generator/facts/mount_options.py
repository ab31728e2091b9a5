"""Which options of Mountpoint for S3 a config may set, and what is wrong with one.

The data is in charts/sd-runtimes/files/mount_options.yaml, which the chart reads too.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generator import yaml_loader
from generator.facts.versions import minor


@dataclass(frozen=True)
class MountOption:
    """An option as the CSI driver reads it: `prefix models/` and `--prefix=models/` are the same."""

    name: str
    value: str


@dataclass(frozen=True)
class Fault:
    """What is wrong with the option at `index` of the list, and the fix."""

    index: int
    message: str
    help: str


@dataclass(frozen=True)
class AcceptedOption:
    """What one option accepts. `value`: the pattern of the whole value; empty for an option without one.

    `eks`: the first EKS version whose driver has the option. `partition`: the only one in which S3 has it.
    `requires`: another option, without which it has no effect.
    """

    value: re.Pattern[str]
    expected: str
    minimum: int | None
    maximum: int | None
    eks: str | None
    partition: str | None
    requires: str | None

    def fault(self, option: MountOption, eks: str, partition: str | None) -> tuple[str, str] | None:
        """Message and help where this version, partition or value is not accepted; None where all are."""
        if self.eks and minor(eks) < minor(self.eks):
            return f"{option.name} needs the CSI driver of EKS {self.eks}", "remove it"
        if self.partition and partition not in (None, self.partition):
            return f"S3 does not have {option.name} in this region", "remove it"
        if not self.expected and option.value:
            return f"{option.name} takes no value", f"write {option.name} alone"
        if not self._takes(option.value):
            return f"{option.value!r} is not a value of {option.name}", f"set {self.expected}"
        return None

    def _takes(self, value: str) -> bool:
        if self.minimum is None or self.maximum is None:
            return bool(self.value.fullmatch(value))
        return bool(self.value.fullmatch(value)) and self.minimum <= int(value) <= self.maximum


@dataclass(frozen=True)
class MountOptions:
    """The options of Mountpoint: those that a config may set, and those that it may not, with the reason."""

    accepted: Mapping[str, AcceptedOption]
    refused: Mapping[str, str]
    exclusive: frozenset[frozenset[str]]

    def faults(self, texts: Sequence[str], eks: str, partition: str | None) -> Iterator[Fault]:
        """Every fault of a list of options, for an EKS version and a partition, if the latter is known."""
        options = [parse(text) for text in texts]
        names = [option.name for option in options]
        for index, option in enumerate(options):
            if option.name in names[:index]:
                yield Fault(index, f"{option.name} is set twice", "keep one")
            elif fault := self._fault(option, names, eks, partition):
                yield Fault(index, *fault)
            for other in names[:index]:
                if frozenset({option.name, other}) in self.exclusive:
                    yield Fault(index, f"{option.name} excludes {other}", "keep one of them")

    def _fault(
        self, option: MountOption, names: Sequence[str], eks: str, partition: str | None
    ) -> tuple[str, str] | None:
        if option.name in self.refused:
            return f"{option.name} cannot be set: {self.refused[option.name]}", "remove it"
        if option.name not in self.accepted:
            return f"{option.name!r} is not an option of Mountpoint", f"use one of {', '.join(self.accepted)}"
        accepted = self.accepted[option.name]
        if fault := accepted.fault(option, eks, partition):
            return fault
        if accepted.requires and accepted.requires not in names:
            return f"{option.name} has no effect without {accepted.requires}", f"add {accepted.requires}"
        return None


def parse(text: str) -> MountOption:
    """The option as the CSI driver reads it: the first space or equals sign ends the name.

    Source: ParseArgs in pkg/mountpoint/args.go of awslabs/mountpoint-s3-csi-driver, v1.15.0 and v2.7.0.
    """
    trimmed = text.strip(" ")
    name = re.split("[ =]", trimmed, maxsplit=1)[0]
    return MountOption(name.removeprefix("--"), trimmed[len(name) + 1 :].strip(" "))


def value(texts: Sequence[str], name: str) -> str | None:
    """The value of an option in a list; None where the list does not have it."""
    return next((option.value for option in map(parse, texts) if option.name == name), None)


def load(charts: Path) -> MountOptions:
    """Read the chart's file."""
    text = (charts / "sd-runtimes" / "files" / "mount_options.yaml").read_text("utf-8")
    content: dict[str, Any] = yaml_loader.load(text)
    return MountOptions(
        accepted={name: _accepted(row) for name, row in content["options"].items()},
        refused=content["refused"],
        exclusive=frozenset(frozenset(pair) for pair in content["exclusive"]),
    )


def _accepted(row: Mapping[str, Any]) -> AcceptedOption:
    return AcceptedOption(
        value=re.compile(row.get("value", ""), re.ASCII),
        expected=row.get("expected", ""),
        minimum=row.get("minimum"),
        maximum=row.get("maximum"),
        eks=row.get("eks"),
        partition=row.get("partition"),
        requires=row.get("requires"),
    )
