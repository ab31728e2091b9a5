"""Snapshots that nodes' volumes start from (the image cache)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from generator.aws import clients as aws
from generator.iam import policy
from generator.preflight.check import Asker, Check, Subject
from generator.preflight.result import CheckStatus, Result
from generator.solution.model import Runtime

THEME = "snapshots"
VOLUMES = {"osVolume": 10, "dataVolume": 100}  # GiB, the chart's default sizes
_SIZE = re.compile(r"(\d+)(Gi|G|Ti|T)")
_GIB = {"Gi": 1, "G": 1e9 / 2**30, "Ti": 1024, "T": 1e12 / 2**30}


@dataclass(frozen=True)
class Snapshot:
    """What EC2 says of a snapshot."""

    state: str
    gib: int


def checks(subject: Subject) -> Iterator[Check[Any]]:
    """One for each volume that names a snapshot."""
    for runtime in subject.solution.runtimes:
        for volume in VOLUMES:
            name = policy.user_chose(runtime, "karpenter", "nodeTemplate", volume, "snapshotID")
            if name:
                what = f"{name} for {volume} of {runtime.name}"
                size = volume_gib(runtime, volume)
                yield Check(THEME, what, partial(described, name), partial(judge, what, size))


def volume_gib(runtime: Runtime, volume: str) -> float:
    """The size of a volume, in GiB."""
    text = policy.user_chose(runtime, "karpenter", "nodeTemplate", volume, "volumeSize") or ""
    found = _SIZE.fullmatch(text)
    return int(found[1]) * _GIB[found[2]] if found else VOLUMES[volume]


def described(name: str, asker: Asker) -> Snapshot | None:
    """A snapshot of this region that the account may use; None when there is none."""
    try:
        found = asker.client("ec2").describe_snapshots(SnapshotIds=[name])["Snapshots"]
    except aws.refusals() as error:
        if not aws.code(error).startswith("InvalidSnapshot"):
            raise
        return None
    return Snapshot(str(found[0]["State"]), int(found[0]["VolumeSize"])) if found else None


def judge(what: str, volume: float, found: Snapshot | None) -> Iterator[Result]:
    """EC2 refuses a volume that is smaller than its snapshot."""
    if found is None:
        help = "snapshots are of one region: copy it here (aws ec2 copy-snapshot), or help snapshotID"
        yield Result(THEME, what, CheckStatus.FAILED, "there is no such snapshot in this region", help)
    elif found.state != "completed":
        help = "wait until it is completed"
        yield Result(THEME, what, CheckStatus.FAILED, f"its state is {found.state}", help)
    elif found.gib > volume:
        help = f"set volumeSize to {found.gib}Gi or more"
        yield Result(
            THEME, what, CheckStatus.FAILED, f"it has {found.gib} GiB, the volume {volume:g} GiB", help
        )
    else:
        yield Result(THEME, what, CheckStatus.PASSED, f"{found.gib} GiB, completed")
