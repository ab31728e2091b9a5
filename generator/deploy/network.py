"""The stack that needs the VPC of the cluster: the S3 gateway endpoint (network.yaml)."""

from collections.abc import Sequence

from generator.aws import errors
from generator.build.stack_layout import NETWORK_FILE
from generator.deploy import eks, stacks
from generator.deploy.job import Job
from generator.errors import AwsError

PRIVATE_SUBNET_TAG = "kubernetes.io/role/internal-elb"


def apply(job: Job) -> None:
    """Route traffic to S3 past the NAT gateways."""
    stacks.apply(job, NETWORK_FILE, parameters(job))


def parameters(job: Job) -> dict[str, str]:
    """VPC and route tables of the private subnets."""
    cluster = eks.own_cluster(job)
    if cluster is None:
        if job.dry_run:
            return {"VpcId": "VPC-OF-THE-CLUSTER", "RouteTableIds": "ROUTE-TABLES-OF-THE-PRIVATE-SUBNETS"}
        raise AwsError(f"cluster {job.stack} does not exist yet: `make cluster` creates it")
    try:
        return _of_private_subnets(job, cluster.subnets)
    except errors.refusals() as error:
        raise errors.refused(error, "the route tables could not be looked up") from error


def _of_private_subnets(job: Job, subnets: Sequence[str]) -> dict[str, str]:
    ec2 = job.aws.client("ec2")
    rows = ec2.describe_subnets(SubnetIds=list(subnets))["Subnets"]
    private = [row for row in rows if PRIVATE_SUBNET_TAG in {tag["Key"] for tag in row.get("Tags", ())}]
    ids = [row["SubnetId"] for row in private]
    by_subnet = [{"Name": "association.subnet-id", "Values": ids}]
    tables = ec2.describe_route_tables(Filters=by_subnet)["RouteTables"] if ids else []
    if not tables:
        raise AwsError(
            f"cluster {job.stack} has no private subnets with route tables: was it created by eksctl?"
        )
    return {
        "VpcId": private[0]["VpcId"],
        "RouteTableIds": ",".join(sorted(row["RouteTableId"] for row in tables)),
    }
