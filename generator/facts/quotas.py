"""The service quotas that a solution uses, and which one an instance type counts against.

Codes: the Service Quotas console; https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html.
"""

import re
from dataclasses import dataclass
from typing import Literal

Market = Literal["on-demand", "spot"]


@dataclass(frozen=True)
class Quota:
    """One service quota, with its identifiers in the Service Quotas API."""

    service: str
    code: str
    name: str
    unit: str


ADDRESSES = Quota("ec2", "L-0263D0A3", "EC2-VPC Elastic IPs", "addresses")
VPCS = Quota("vpc", "L-F678F1CE", "VPCs per Region", "VPCs")
NAT_GATEWAYS = Quota("vpc", "L-FE5A380F", "NAT gateways per Availability Zone", "gateways per zone")
PUBLISHES = Quota("sns", "L-F8E2BA85", "Messages Published per Second", "messages a second")
BUCKETS = Quota("s3", "L-DC2B2D3D", "General purpose buckets", "buckets")

_ON_DEMAND = {
    "standard": Quota(
        "ec2", "L-1216C47A", "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", "vCPUs"
    ),
    "g": Quota("ec2", "L-DB2E81BA", "Running On-Demand G and VT instances", "vCPUs"),
    "p": Quota("ec2", "L-417A185B", "Running On-Demand P instances", "vCPUs"),
}
_SPOT = {
    "standard": Quota(
        "ec2", "L-34B43A08", "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests", "vCPUs"
    ),
    "g": Quota("ec2", "L-3819A6DF", "All G and VT Spot Instance Requests", "vCPUs"),
    "p": Quota("ec2", "L-7212CCBC", "All P4, P3 and P2 Spot Instance Requests", "vCPUs"),
    "p5": Quota("ec2", "L-C4BD4855", "All P5 Spot Instance Requests", "vCPUs"),
}
_GENERATION = re.compile(r"([a-z]+)(\d+)")


def of_instance(name: str, market: Market) -> Quota | None:
    """The vCPU quota that an instance type counts against; None where its code is not known (p6 on spot)."""
    family = _GENERATION.match(name)
    if family is None:
        return None
    letters, generation = family[1], int(family[2])
    if letters in ("g", "gr", "vt"):
        return (_ON_DEMAND if market == "on-demand" else _SPOT)["g"]
    if letters == "p":
        if market == "on-demand":
            return _ON_DEMAND["p"]
        return _SPOT["p"] if generation < 5 else _SPOT.get(f"p{generation}")
    standard = letters[0] in "acdhimrtz" and not letters.startswith(("dl", "hpc", "inf", "trn", "mac"))
    return (_ON_DEMAND if market == "on-demand" else _SPOT)["standard"] if standard else None


def console_link(quota: Quota, region: str, dns_suffix: str) -> str:
    """The console page on which to see the quota and request an increase."""
    host = "console.amazonaws.cn" if dns_suffix.endswith(".cn") else "console.aws.amazon.com"
    return f"https://{region}.{host}/servicequotas/home/services/{quota.service}/quotas/{quota.code}"
