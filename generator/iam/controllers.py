"""What the controllers of an existing cluster must be allowed to do, as policies for their roles."""

import json

from generator.iam import keys, roles
from generator.iam.policy import Condition, Policy, Statement, actions, allow, document
from generator.solution.model import Solution

# The session of the cluster's role has the name of the cluster as a tag; every node gets it as a tag, too.
_CLUSTER_TAG = "eks:eks-cluster-name"


def files(solution: Solution) -> dict[str, str]:
    """For each controller the policy that its role needs: iam/{controller}-policy.json."""
    policies = {
        "keda-operator": roles.keda_operator(solution),
        "s3-csi-driver": roles.s3_csi_driver(solution),
    }
    if statements := [*keys.start_instances(solution), *_tag_nodes(solution)]:
        policies["cluster-role" if solution.auto_mode else "karpenter-controller"] = document(statements)
    return {f"iam/{name}-policy.json": _text(policy) for name, policy in policies.items()}


def _tag_nodes(solution: Solution) -> list[Statement]:
    """EKS Auto Mode sets tags of the user only with these, which its own policies do not have.

    https://docs.aws.amazon.com/eks/latest/userguide/auto-learn-iam.html (custom tags), read in November 2026.
    """
    tagged = solution.tags or any(
        runtime.extra_values.get("karpenter", {}).get("nodeTemplate", {}).get("tags")
        for runtime in solution.runtimes
    )
    if not (solution.auto_mode and tagged):
        return []
    start = actions("ec2", "CreateFleet CreateLaunchTemplate RunInstances")
    pool = {f"aws:RequestTag/eks:kubernetes-{part}-name": "*" for part in ("node-class", "node-pool")}
    node = {"aws:RequestTag/eks:kubernetes-cni-node-name": "*"}
    return [
        allow("TagNodes", start, "*", _of_cluster(pool)),
        allow("TagInterfaces", "ec2:CreateNetworkInterface", "*", _of_cluster(node)),
    ]


def _of_cluster(tags: dict[str, str]) -> Condition:
    own = {f"aws:RequestTag/{_CLUSTER_TAG}": f"${{aws:PrincipalTag/{_CLUSTER_TAG}}}"}
    return {"StringEquals": own, "StringLike": tags}


def _text(policy: Policy) -> str:
    return json.dumps(policy, indent=2) + "\n"
