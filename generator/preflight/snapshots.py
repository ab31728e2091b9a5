"""Snapshots that nodes' volumes start from (the image cache)."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from generator.aws import errors
from generator.aws.asker import Asker
from generator.facts import quantity
from generator.preflight.check import Check, Subject
from generator.preflight.result import CheckStatus, Result
from generator.solution.model import Volume

THEME = "snapshots"


@dataclass(frozen=True)
class Snapshot:
    """What EC2 says of a snapshot."""

    state: str
    gib: int


def checks(subject: Subject) -> Iterator[Check[Any]]:
    """One for each volume that names a snapshot."""
    for runtime in subject.solution.runtimes:
        for key, volume in (("osVolume", runtime.nodes.os_volume), ("dataVolume", runtime.nodes.data_volume)):
            if volume.snapshot_id:
                check_name = f"{volume.snapshot_id} for {key} of {runtime.name}"
                size = volume_gib(volume)
                yield Check(
                    THEME,
                    check_name,
                    partial(described, volume.snapshot_id),
                    partial(judge, check_name, size),
                )


def volume_gib(volume: Volume) -> float:
    """The size of a volume, in GiB. Raises ValueError for a text that validation does not let through."""
    size = quantity.parse(volume.size)
    if size is None:
        raise ValueError(f"{volume.size!r} is not a quantity")
    return float(size / quantity.GIB)


def described(name: str, asker: Asker) -> Snapshot | None:
    """A snapshot of this region that the account may use; None when there is none."""
    try:
        rows = asker.client("ec2").describe_snapshots(SnapshotIds=[name])["Snapshots"]
    except errors.refusals() as error:
        if not errors.code(error).startswith("InvalidSnapshot"):
            raise
        return None
    return Snapshot(str(rows[0]["State"]), int(rows[0]["VolumeSize"])) if rows else None


def judge(check_name: str, volume: float, snapshot: Snapshot | None) -> Iterator[Result]:
    """EC2 refuses a volume that is smaller than its snapshot."""
    if snapshot is None:
        help = "snapshots are of one region: copy it here (aws ec2 copy-snapshot), or change snapshotID"
        yield Result(
            THEME, check_name, CheckStatus.FAILED, "the snapshot does not exist in this region", help
        )
    elif snapshot.state != "completed":
        help = "wait until it is completed"
        yield Result(THEME, check_name, CheckStatus.FAILED, f"its state is {snapshot.state}", help)
    elif snapshot.gib > volume:
        help = f"set volumeSize to {snapshot.gib}Gi or more"
        yield Result(
            THEME,
            check_name,
            CheckStatus.FAILED,
            f"it has {snapshot.gib} GiB, the volume {volume:g} GiB",
            help,
        )
    else:
        yield Result(THEME, check_name, CheckStatus.PASSED, f"{snapshot.gib} GiB, completed")
