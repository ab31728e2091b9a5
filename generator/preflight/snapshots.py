"""Snapshots that nodes' volumes start from (the image cache)."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from generator.aws import errors
from generator.aws.asker import Asker
from generator.facts import quantity
from generator.preflight import keys
from generator.preflight.check import Check, Subject
from generator.preflight.result import CheckStatus, Result
from generator.solution.model import Solution
from generator.solution.nodes import Volume

THEME = "snapshots"


@dataclass(frozen=True)
class Snapshot:
    """What EC2 says of a snapshot."""

    state: str
    gib: int
    # A customer's key that encrypts it, and that is not the key of the volumes.
    other_key: str = ""


def checks(subject: Subject) -> Iterator[Check[Any]]:
    """One for each volume that names a snapshot."""
    for pool in subject.solution.node_pools:
        for key, volume in (("osVolume", pool.nodes.os_volume), ("dataVolume", pool.nodes.data_volume)):
            if volume.snapshot_id:
                check_name = f"{volume.snapshot_id} for {key} of {pool}"
                size = volume_gib(volume)
                yield Check(
                    THEME,
                    check_name,
                    partial(described, subject.solution, volume.snapshot_id),
                    partial(judge, check_name, size),
                )


def volume_gib(volume: Volume) -> float:
    """The size of a volume, in GiB. Raises ValueError for a text that validation does not let through."""
    size = quantity.parse(volume.size)
    if size is None:
        raise ValueError(f"{volume.size!r} is not a quantity")
    return float(size / quantity.GIB)


def described(solution: Solution, name: str, asker: Asker) -> Snapshot | None:
    """A snapshot of this region that the account may use; None when there is none."""
    try:
        rows = asker.client("ec2").describe_snapshots(SnapshotIds=[name])["Snapshots"]
    except errors.refusals() as error:
        if not errors.code(error).startswith("InvalidSnapshot"):
            raise
        return None
    if not rows:
        return None
    other_key = _other_key(solution, str(rows[0].get("KmsKeyId", "")), asker)
    return Snapshot(str(rows[0]["State"]), int(rows[0]["VolumeSize"]), other_key)


def _other_key(solution: Solution, arn: str, asker: Asker) -> str:
    """The customer's key of a snapshot, where Karpenter's role has no permission on it; otherwise empty."""
    if not arn or arn == solution.keys.volumes:
        return ""
    key = keys.key(solution, arn, asker)
    return "" if key and not key.is_customers else arn


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
    elif snapshot.other_key:
        message = f"it is encrypted with {snapshot.other_key}, which Karpenter's role may not use"
        help = "copy it with the key in kmsKeys.volumes: aws ec2 copy-snapshot --encrypted --kms-key-id KEY"
        yield Result(THEME, check_name, CheckStatus.FAILED, message, help)
    else:
        yield Result(THEME, check_name, CheckStatus.PASSED, f"{snapshot.gib} GiB, completed")
