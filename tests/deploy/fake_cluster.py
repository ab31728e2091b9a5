"""The parts of `eksctl create cluster`'s result that later steps read."""

from http.server import BaseHTTPRequestHandler

import boto3

from generator.solution.names import STACK_TAG

LOGS = ["api", "audit", "authenticator", "controllerManager", "scheduler"]


def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    """Create a cluster: the path of the request is its name and version."""
    make(*handler.path.strip("/").split("/"))
    handler.send_response(200)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def make(name: str, version: str) -> None:
    """A network of six subnets, and a cluster in it."""
    # A session of its own: the default one keeps the credentials of the test before.
    session = boto3.Session()
    ec2, eks = session.client("ec2"), session.client("eks")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = []
    for number in range(6):
        kind, role = ("public", "elb") if number < 3 else ("private", "internal-elb")
        zone = f"{ec2.meta.region_name}{'abc'[number % 3]}"
        block = f"10.0.{number * 32}.0/19"
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone=zone)["Subnet"]["SubnetId"]
        table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
        ec2.associate_route_table(SubnetId=subnet, RouteTableId=table)
        ec2.create_tags(Resources=[subnet], Tags=[{"Key": f"kubernetes.io/role/{role}", "Value": "1"}])
        ec2.create_tags(Resources=[table], Tags=[{"Key": "Name", "Value": f"{kind}-{number % 3}"}])
        subnets.append(subnet)
    eks.create_cluster(
        name=name,
        version=version,
        roleArn="arn:aws:iam::111122223333:role/cluster",
        resourcesVpcConfig={
            "subnetIds": subnets,
            "endpointPublicAccess": True,
            "endpointPrivateAccess": True,
        },
        logging={"clusterLogging": [{"types": LOGS, "enabled": True}]},
        tags={STACK_TAG: name},
    )
