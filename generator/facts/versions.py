"""EKS versions: what belongs to each, its support, which one to advise, and the order of upgrades."""

import calendar
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

# A version that is advised for a new cluster has at least this much standard support left.
RECOMMENDED_MONTHS = 6
# A version with less standard support than this gets a warning.
WARNING_MONTHS = 3


# From this release on, the S3 CSI driver mounts in pods of the namespace mount-s3, and supports Pod Identity.
# https://github.com/awslabs/mountpoint-s3-csi-driver/blob/main/docs/UPGRADING_TO_V2.md
CSI_WITH_PODS = (2, 0, 0)
# How long such a pod mounts after its eviction. Source: TerminationGracePeriodSeconds in
# pkg/podmounter/mppod/creator.go of awslabs/mountpoint-s3-csi-driver, v2.4.1 and v2.7.0; no value changes it.
CSI_POD_GRACE_SECONDS = 600


@dataclass(frozen=True)
class Versions:
    """One row of the table of EKS versions: the releases that work together."""

    eks: str
    karpenter: str
    keda_chart: str
    keda_app: str
    s3_csi: str
    bottlerocket: str

    @property
    def csi_has_pods(self) -> bool:
        """Whether the S3 CSI driver mounts in pods of its own, not on the node."""
        return parse(self.s3_csi) >= CSI_WITH_PODS


@dataclass(frozen=True)
class ChartDigests:
    """The SHA-256 of the charts of others, by the file names of their archives.

    `archives`: of the archive. `contents`: of what Helm renders of it, where nobody publishes the first.
    """

    archives: Mapping[str, str]
    contents: Mapping[str, str]


@dataclass(frozen=True)
class Support:
    """Until when AWS supports one EKS version; both days are included."""

    standard_ends: date
    extended_ends: date

    def can_be_created(self, today: date) -> bool:
        """AWS creates no new cluster after the end of extended support."""
        return today <= self.extended_ends

    def is_extended(self, today: date) -> bool:
        """Whether standard support is over, so that AWS charges the price of extended support."""
        return self.standard_ends < today

    def has_standard(self, today: date, months: int) -> bool:
        """Whether at least `months` months of standard support are left."""
        return months_after(today, months) <= self.standard_ends


@dataclass(frozen=True)
class Release:
    """One EKS version, its support, and the components whose maintainers have not tested them with it."""

    eks: str
    support: Support
    untested: tuple[str, ...] = ()


def recommended(releases: Sequence[Release], today: date) -> str | None:
    """The EKS version to advise for a new cluster, of a table with the oldest first; None when all are over.

    The newest with six months of standard support, if possible one with which every component is tested. When
    the table has none with six months, the newest that AWS still creates.
    """
    creatable = [release for release in releases if release.support.can_be_created(today)]
    lasting = [release for release in creatable if release.support.has_standard(today, RECOMMENDED_MONTHS)]
    tested = [release for release in lasting if not release.untested]
    candidates = tested or lasting or creatable
    return candidates[-1].eks if candidates else None


def months_after(day: date, months: int) -> date:
    """The same day some months later, or the last day of a shorter month."""
    years, month = divmod(day.month - 1 + months, 12)
    year, month = day.year + years, month + 1
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


def upgrade_help(current: str, wanted: str) -> str | None:
    """How to set `eksVersion` when EKS does not upgrade from `current` to `wanted`; None when it does.

    A control plane moves up one minor version at a time, and never down.
    https://docs.aws.amazon.com/eks/latest/userguide/update-cluster.html
    """
    steps = minor(wanted) - minor(current)
    if steps in (0, 1):
        return None
    if steps < 0:
        return f'EKS does not downgrade a cluster: set eksVersion: "{current}"'
    major = current.partition(".")[0]
    return f'EKS upgrades one minor version at a time: set eksVersion: "{major}.{minor(current) + 1}"'


def minor(version: str) -> int:
    """The second number of a version: 34 of `1.34`, 8 of `1.8.8`."""
    return int(version.split(".")[1])


def parse(version: str) -> tuple[int, ...]:
    """A version such as 1.8.8 as numbers, which compare in the order of versions."""
    return tuple(int(number) for number in version.split("."))


def bottlerocket_release(text: str) -> tuple[int, ...] | None:
    """A Bottlerocket release (`1.51.0`, `v1.51.0`) as numbers; None for `latest` and what is no release."""
    parts = text.removeprefix("v").split(".")
    return parse(".".join(parts)) if len(parts) == 3 and all(map(str.isdecimal, parts)) else None
