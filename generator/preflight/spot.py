"""The service-linked role that EC2 needs before it starts a spot instance for an account."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from generator.aws import errors
from generator.aws.asker import Asker
from generator.preflight.check import Check, Subject
from generator.preflight.result import CheckStatus, Result

THEME = "spot"
ROLE = "AWSServiceRoleForEC2Spot"
CREATE = "aws iam create-service-linked-role --aws-service-name spot.amazonaws.com"


def checks(subject: Subject) -> Iterator[Check[Any]]:
    """One, where any runtime may use spot nodes."""
    nodes = [runtime.nodes for runtime in subject.solution.runtimes if runtime.nodes.spot]
    if nodes:
        only_spot = any(not node.on_demand for node in nodes)
        yield Check(THEME, ROLE, exists, partial(judge, only_spot))


def exists(asker: Asker) -> bool:
    """Whether the account has the role."""
    try:
        asker.client("iam").get_role(RoleName=ROLE)
    except errors.refusals() as error:
        if errors.code(error) != "NoSuchEntity":
            raise
        return False
    return True


def judge(only_spot: bool, exists: bool) -> Iterator[Result]:
    """Karpenter may not create the role itself; without it EC2 refuses every spot node."""
    if exists:
        yield Result(THEME, ROLE, CheckStatus.PASSED, "exists")
    else:
        status = CheckStatus.FAILED if only_spot else CheckStatus.WARNING
        yield Result(THEME, ROLE, status, "does not exist: EC2 will refuse spot nodes", CREATE)
