"""Every name and ARN, as a function of stack, account, region and runtime name. No look-up is ever needed."""

SQS_NAME_MAX = 80
S3_NAME_MAX = 63
IAM_ROLE_NAME_MAX = 64
KUBERNETES_NAME_MAX = 63

# The tags by which a solution's resources are known: in bills, and in what its deployer may touch.
STACK_TAG = "sd-on-eks/stack"
RUNTIME_TAG = "sd-on-eks/runtime"

# Where the one Helm release puts the operators, and the service accounts that their IAM roles trust.
PLATFORM_NAMESPACE = "kube-system"
KARPENTER_SERVICE_ACCOUNT = "karpenter"
KEDA_SERVICE_ACCOUNT = "keda-operator"
S3_CSI_SERVICE_ACCOUNT = "s3-csi-driver-sa"


def requests_topic(stack: str) -> str:
    """SNS topic that takes tasks."""
    return f"{stack}-requests"


def results_topic(stack: str) -> str:
    """SNS topic that announces results."""
    return f"{stack}-results"


def alarms_topic(stack: str) -> str:
    """SNS topic that announces alarms."""
    return f"{stack}-alarms"


def api(stack: str) -> str:
    """The HTTP API, its function, key and usage plan."""
    return f"{stack}-api"


def queue(stack: str, runtime: str) -> str:
    """SQS queue of one runtime."""
    return f"{stack}-{runtime}"


def dead_letter_queue(stack: str, runtime: str) -> str:
    """SQS queue for the tasks of one runtime that were set aside."""
    return f"{stack}-{runtime}-dead-letter"


def output_bucket(stack: str, runtime: str, account: str, region: str) -> str:
    """S3 bucket for the pictures of one runtime (at most 63 characters)."""
    return f"{stack}-{runtime}-{account}-{region}"


def templates_bucket(stack: str, account: str, region: str) -> str:
    """S3 bucket for CloudFormation templates too large to send. No runtime's bucket can have this name."""
    return f"{stack}-{account}-{region}-cfn"


def runtime_role(stack: str, runtime: str) -> str:
    """IAM role of the pods of one runtime."""
    return f"{stack}-{runtime}-runtime"


def controller_role(stack: str, controller: str) -> str:
    """IAM role of one part: `karpenter-controller`, `karpenter-node`, `keda-operator`, `s3-csi-driver`, …"""
    return f"{stack}-{controller}"


def interruption_queue(stack: str) -> str:
    """SQS queue of spot interruptions that Karpenter reads."""
    return f"{stack}-karpenter-interruption"


def cluster_scoped(stack: str, runtime: str) -> str:
    """NodePool, EC2NodeClass and PersistentVolume of one runtime."""
    return f"{stack}-{runtime}"


def arn(partition: str, service: str, region: str, account: str, resource: str) -> str:
    """An ARN; region and account are empty for global services."""
    return f"arn:{partition}:{service}:{region}:{account}:{resource}"


def queue_url(dns_suffix: str, region: str, account: str, name: str) -> str:
    """The URL under which SQS serves a queue."""
    return f"https://sqs.{region}.{dns_suffix}/{account}/{name}"
