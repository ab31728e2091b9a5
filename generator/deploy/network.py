"""What needs the VPC that eksctl made: the S3 gateway endpoint (network.yaml)."""

from generator import aws
from generator.deploy import eks, stacks
from generator.deploy.job import Job
from generator.errors import AwsError

FILE = "network.yaml"
PRIVATE_SUBNET_TAG = "kubernetes.io/role/internal-elb"


def apply(job: Job) -> None:
    """Bring traffic to S3 off the NAT gateways."""
    stacks.apply(job, FILE, parameters(job))


def parameters(job: Job) -> dict[str, str]:
    """VPC and route tables of the private subnets."""
    cluster = eks.found(job)
    if cluster is None:
        if job.dry_run:
            return {"VpcId": "VPC-OF-THE-CLUSTER", "RouteTableIds": "ROUTE-TABLES-OF-THE-PRIVATE-SUBNETS"}
        raise AwsError(f"there is no cluster {job.stack} yet: `make cluster` makes it")
    try:
        tables = route_tables(job, cluster.vpc)
    except aws.refusals() as error:
        raise aws.refused(error, "the route tables could not be looked up") from error
    if not tables:
        raise AwsError(
            f"{cluster.vpc} has no private subnets with route tables: was the cluster made by eksctl?"
        )
    return {"VpcId": cluster.vpc, "RouteTableIds": ",".join(tables)}


def route_tables(job: Job, vpc: str) -> list[str]:
    """The ids of the route tables of the VPC's private subnets."""
    ec2 = job.aws.client("ec2")
    private = [
        {"Name": "vpc-id", "Values": [vpc]},
        {"Name": "tag-key", "Values": [PRIVATE_SUBNET_TAG]},
    ]
    subnets = [row["SubnetId"] for row in ec2.describe_subnets(Filters=private)["Subnets"]]
    if not subnets:
        return []
    by_subnet = [{"Name": "association.subnet-id", "Values": subnets}]
    return sorted(row["RouteTableId"] for row in ec2.describe_route_tables(Filters=by_subnet)["RouteTables"])
