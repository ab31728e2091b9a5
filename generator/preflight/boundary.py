"""The permissions boundary that the config names: whether it exists and is the policy of this build."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from generator.aws import errors
from generator.aws.asker import Asker
from generator.iam import boundary, sizes
from generator.preflight.check import Check, Subject
from generator.preflight.result import CheckStatus, Result
from generator.solution.model import Solution

THEME = "boundary"


def checks(subject: Subject) -> Iterator[Check[Any]]:
    """One, if the config names a boundary."""
    if arn := subject.solution.permissions_boundary_arn:
        yield Check(THEME, arn, partial(document, arn), partial(judge, arn, subject.solution))


def document(arn: str, asker: Asker) -> Mapping[str, Any] | None:
    """The document of the policy's default version; None when there is no such policy."""
    iam = asker.client("iam")
    try:
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        answer = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    except errors.refusals() as error:
        if errors.code(error) != "NoSuchEntity":
            raise
        return None
    # boto3 has decoded and parsed it.
    return dict(answer)


def judge(arn: str, solution: Solution, existing: Mapping[str, Any] | None) -> Iterator[Result]:
    """Without the policy no role can be created; with another one, roles may lack what they need."""
    own = boundary.policy(solution)
    if above := sizes.above_boundary(solution):
        # `validate` refuses that for the boundary of the build, so this is the user's own.
        status = CheckStatus.FAILED if existing is None else CheckStatus.WARNING
        fault = "there is no such policy" if existing is None else "it cannot be compared"
        message = f"{fault}, and that of the build is {above:,} characters too large for IAM"
        help = "write one that allows what the roles need, or keep models and inputs in fewer buckets"
        yield Result(THEME, arn, status, message, help)
        return
    file = "--policy-document file://permissions-boundary.json, from iam/ of the build"
    if existing is None:
        name = arn.rpartition("/")[2]
        help = f"an administrator runs `aws iam create-policy --policy-name {name}` with {file}"
        yield Result(THEME, arn, CheckStatus.FAILED, "there is no such policy", help)
    elif existing != own:
        message = "it is not the policy of this build: roles may lack permissions, or have too many"
        update = "aws iam create-policy-version --set-as-default"
        help = f"compare them; an administrator runs `{update}` with {file}"
        yield Result(THEME, arn, CheckStatus.WARNING, message, help)
    else:
        yield Result(THEME, arn, CheckStatus.PASSED, "it is the policy of this build")
