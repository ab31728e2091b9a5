"""Who the credentials belong to: the first question of every command that asks AWS."""

from dataclasses import dataclass

from generator.aws import errors, explanation
from generator.aws.clients import Aws
from generator.aws.explanation import Explanation
from generator.errors import CredentialsError
from generator.solution.model import Solution

# A region of each partition that no account can disable.
ALWAYS_ENABLED = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}


@dataclass(frozen=True)
class Identity:
    """The user or role of the credentials, by its ARN."""

    arn: str

    @property
    def partition(self) -> str:
        """The partition, such as `aws` or `aws-cn`."""
        return self.arn.split(":")[1]

    @property
    def account(self) -> str:
        """The account, 12 digits."""
        return self.arn.split(":")[4]


def identity(clients: Aws) -> Identity:
    """Ask STS for the identity. Raises CredentialsError with what to do when there is no answer."""
    try:
        return _ask(clients, clients.region)
    except errors.refusals() as error:
        where = _elsewhere(clients) if errors.code(error) in explanation.UNKNOWN_KEY else None
        why = _wrong_region(where, clients) if where else errors.explained(error) or _unexplained(error)
        raise CredentialsError(why.reason, why.help) from error
    except Exception as error:  # botocore passes on what the user's files and programs cause
        why = errors.explained(error) or _unreadable(error)
        raise CredentialsError(why.reason, why.help) from error


def _ask(clients: Aws, region: str) -> Identity:
    return Identity(str(clients.client("sts", region).get_caller_identity()["Arn"]))


def _elsewhere(clients: Aws) -> Identity | None:
    """The identity by another region, where the credentials work there."""
    for region in ALWAYS_ENABLED.values():
        if region != clients.region:
            try:
                return _ask(clients, region)
            except errors.refusals():
                continue
    return None


def _wrong_region(who: Identity, clients: Aws) -> Explanation:
    """Why credentials that work in another region do not work in this one."""
    region, partition = clients.region, clients.partition()
    if partition != who.partition:
        help = f"use credentials of {partition} (AWS_PROFILE), or a region of {who.partition}"
        return Explanation(f"{who.arn} is not in partition {partition}, which {region} belongs to", help)
    help = f"enable it: `aws account enable-region --region-name {region}` (takes minutes to hours)"
    return Explanation(f"region {region} is disabled in account {who.account}", help)


def _unexplained(error: Exception) -> Explanation:
    return Explanation(f"AWS STS did not answer ({explanation.one_line(error)})", "try again later")


def _unreadable(error: Exception) -> Explanation:
    reason = f"the AWS credentials could not be read ({explanation.one_line(error)})"
    return Explanation(reason, "check ~/.aws/config and the programs that it names")


def mismatch(who: Identity, solution: Solution) -> Explanation | None:
    """What is wrong when the credentials are not those of the solution's account; None if they are."""
    if who.partition != solution.partition.name:
        help = f"use credentials of {solution.partition.name} (AWS_PROFILE), or a region of {who.partition}"
        return Explanation(f"{who.arn} is not in partition {solution.partition.name}", help)
    if who.account != solution.account:
        help = f'use credentials of {solution.account} (AWS_PROFILE), or set accountId: "{who.account}"'
        return Explanation(f"{who.arn} is not in account {solution.account}", help)
    return None
