"""Which containers get AWS credentials, and how."""

from collections.abc import Iterator

from generator.config.rules.base import (
    WARNING,
    Case,
    EnvironmentVariable,
    Finding,
    agent,
    environment,
    inference,
    rule,
)

# EKS gives these to the containers that get a role: their values name a token that the others do not have.
OF_A_ROLE = frozenset(
    {
        "AWS_ROLE_ARN",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    }
)
OF_A_KEY = frozenset({"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"})


@rule("SD942")
def agent_gets_its_credentials(case: Case) -> Iterator[Finding]:
    """extraEnv cannot set variables without which the queue agent finds no AWS credentials."""
    for runtime in case.runtimes:
        variables = {variable.name: variable for variable in environment(agent(runtime))}
        for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
            if name in variables:
                message = f"the queue agent would not start: its image has no AWS profile for {name}"
                yield variables[name].on_name(message, "remove it: the agent uses the runtime's role")
        for name in sorted(OF_A_ROLE & variables.keys()):
            # https://github.com/aws/amazon-eks-pod-identity-webhook: it then adds none of its own.
            message = f"EKS sets {name} itself; with another value the queue agent may get no role"
            yield variables[name].on_name(message, "remove it, and set runtime.serviceAccountRoleArn")
        yield from _half_a_key(variables)


def _half_a_key(variables: dict[str, EnvironmentVariable]) -> Iterator[Finding]:
    pair = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    for name, other in (pair, pair[::-1]):
        if name in variables and other not in variables:
            message = f"the queue agent would not start: {name} is set without {other}"
            yield variables[name].on_name(message, "remove it: the agent uses the runtime's role")


@rule("SD943", WARNING)
def agent_uses_its_role(case: Case) -> Iterator[Finding]:
    """The queue agent should use the runtime's role, not an access key."""
    for runtime in case.runtimes:
        variables = {variable.name: variable for variable in environment(agent(runtime))}
        if {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} <= variables.keys():
            message = "the queue agent uses this access key, which never expires, and not the runtime's role"
            yield variables["AWS_ACCESS_KEY_ID"].on_name(message, "remove both variables")


@rule("SD992")
def pod_identity_is_offered(case: Case) -> Iterator[Finding]:
    """EKS Pod Identity is not available in China regions."""
    node = case.config.at("podIdentity")
    region = case.context.region or ""
    # https://docs.amazonaws.cn/en_us/eks/latest/userguide/pod-identities.html, November 2026.
    if node.flag() and region.startswith("cn-"):
        message = f"EKS Pod Identity is not available in {region}"
        yield Finding(node, message, "remove it: pods get their roles by IRSA")


@rule("SD993")
def pod_identity_reaches_the_csi_driver(case: Case) -> Iterator[Finding]:
    """EKS Pod Identity needs an EKS version whose S3 CSI driver supports it."""
    node, row = case.config.at("podIdentity"), case.facts.versions(case.eks)
    if node.flag() and not case.has_cluster and not row.csi_has_pods:
        message = f"the S3 CSI driver {row.s3_csi} of EKS {case.eks} reads no models with EKS Pod Identity"
        enough = [eks for eks in case.facts.eks_versions() if case.facts.versions(eks).csi_has_pods]
        yield Finding(node, message, f"remove it, or set eksVersion to {enough[0]} or later")


@rule("SD994", WARNING)
def runtime_has_no_credentials(case: Case) -> Iterator[Finding]:
    """A runtime should have no AWS credentials: code of custom nodes and of models can read them."""
    for runtime in case.runtimes:
        for variable in environment(inference(runtime)):
            if variable.name in OF_A_ROLE:
                message = f"{variable.name} has no effect: only the queue agent has the token of the role"
                yield variable.on_name(message, "remove it")
            elif variable.name in OF_A_KEY:
                message = f"code of custom nodes and of models can read {variable.name}"
                help = "remove it, or use a key that may do nothing but what the runtime needs"
                yield variable.on_name(message, help)
