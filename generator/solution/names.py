"""All names and ARNs, as functions of stack, account, region and runtime name. Nothing is looked up."""

SQS_NAME_MAX = 80
S3_NAME_MAX = 63
IAM_ROLE_NAME_MAX = 64
KUBERNETES_NAME_MAX = 63

# The tags of a solution's resources, for cost allocation and for the conditions of the deployer's policy.
STACK_TAG = "sd-on-eks/stack"
RUNTIME_TAG = "sd-on-eks/runtime"
# The name of a further API key, on the key and on its usage plan.
API_KEY_TAG = "sd-on-eks/api-key"
# The name of the solution's own key, which tasks that come from SNS belong to as well.
OWN_API_KEY = "default"
# No runtime can have this name: /v1alpha2/uploads is a path of the HTTP API.
UPLOADS_PATH_PART = "uploads"

# The namespace of the Helm release, and the service accounts in the trust policies of the operators' roles.
PLATFORM_NAMESPACE = "kube-system"
KARPENTER_SERVICE_ACCOUNT = "karpenter"
KEDA_SERVICE_ACCOUNT = "keda-operator"
S3_CSI_SERVICE_ACCOUNT = "s3-csi-driver-sa"
LOG_COLLECTOR_SERVICE_ACCOUNT = "log-collector"

# The roles of the HTTP API's functions, without the stack.
API_FUNCTION_ROLE = "api-function"
API_AUTHORIZER_ROLE = "api-authorizer"
WEBHOOKS_ROLE = "webhooks"
# The role of the project that builds images.
IMAGE_BUILDER_ROLE = "image-builder"

# Log streams are named after it, the namespace, the pod and the container, with dots between the last three:
# charts/sd-runtimes/templates/logs/_helpers.tpl.
LOG_STREAM_PREFIX = "pods/"


def requests_topic(stack: str) -> str:
    """SNS topic that tasks are published to."""
    return f"{stack}-requests"


def results_topic(stack: str) -> str:
    """SNS topic of callbacks."""
    return f"{stack}-results"


def alarms_topic(stack: str) -> str:
    """SNS topic of alarms."""
    return f"{stack}-alarms"


def api(stack: str) -> str:
    """The HTTP API, its function, key and usage plan."""
    return f"{stack}-api"


def api_key(stack: str, name: str) -> str:
    """A further key of the HTTP API, and its usage plan."""
    return f"{stack}-api-{name}"


def api_authorizer(stack: str) -> str:
    """The function that finds the API key in a request."""
    return f"{stack}-api-authorizer"


def webhooks(stack: str) -> str:
    """The function that sends webhooks, its queue, and the secret with which it signs."""
    return f"{stack}-webhooks"


def webhooks_dead_letter(stack: str) -> str:
    """SQS queue of the webhooks that nobody accepted."""
    return f"{stack}-webhooks-dead-letter"


def image_builder(stack: str) -> str:
    """CodeBuild project that builds container images, and the CloudFormation stack with it."""
    return f"{stack}-images"


def image_builder_log_group(stack: str) -> str:
    """CloudWatch log group with the logs of builds."""
    return f"/aws/codebuild/{image_builder(stack)}"


def queue(stack: str, runtime: str) -> str:
    """SQS queue of one runtime."""
    return f"{stack}-{runtime}"


def dead_letter_queue(stack: str, runtime: str) -> str:
    """Dead-letter queue of one runtime."""
    return f"{stack}-{runtime}-dead-letter"


def high_priority_queue(stack: str, runtime: str) -> str:
    """SQS queue of one runtime's tasks of high priority."""
    return f"{stack}-{runtime}-high"


def output_bucket(stack: str, runtime: str, account: str, region: str) -> str:
    """S3 bucket for the pictures of one runtime. S3 allows 63 characters."""
    return f"{stack}-{runtime}-{account}-{region}"


def templates_bucket(stack: str, account: str, region: str) -> str:
    """S3 bucket for CloudFormation templates too large to send. No runtime's bucket can have this name."""
    return f"{stack}-{account}-{region}-cfn"


def runtime_role(stack: str, runtime: str) -> str:
    """IAM role of the pods of one runtime."""
    return f"{stack}-{runtime}-runtime"


def controller_role(stack: str, controller: str) -> str:
    """IAM role of a component: karpenter-controller, karpenter-node, keda-operator, s3-csi-driver, …"""
    return f"{stack}-{controller}"


def permissions_boundary(stack: str) -> str:
    """IAM policy that limits every role of a solution, unless the config names another one."""
    return f"{stack}-boundary"


def interruption_queue(stack: str) -> str:
    """SQS queue with the interruption events that Karpenter reads."""
    return f"{stack}-karpenter-interruption"


def pod_log_group(stack: str) -> str:
    """CloudWatch log group with the logs of the pods."""
    return f"/sd-on-eks/{stack}/pods"


def persistent_volume(stack: str, runtime: str) -> str:
    """PersistentVolume of one runtime, whose mount has no cache."""
    return f"{stack}-{runtime}"


def cached_volume(stack: str, size: str, mount: str) -> str:
    """PersistentVolume of all runtimes with this mount, named after the cache and 8 characters of a hash."""
    return f"{stack}.cache-{size.lower()}-{mount}"


def volume_claim(runtime: str) -> str:
    """Claim for the PersistentVolume of one runtime."""
    return f"{runtime}-models"


def cached_claim(size: str, mount: str) -> str:
    """Claim for a PersistentVolume with a cache."""
    return f"models.cache-{size.lower()}-{mount}"


def node_pool(stack: str, pool: str) -> str:
    """NodePool and EC2NodeClass of one runtime, or of the runtimes that share the pool."""
    return f"{stack}-{pool}"


def placeholder(runtime: str) -> str:
    """Deployment and ScaledObject of the placeholders of one runtime."""
    return f"{runtime}-placeholder"


def arn(partition: str, service: str, region: str, account: str, resource: str) -> str:
    """An ARN; region and account are empty for global services."""
    return f"arn:{partition}:{service}:{region}:{account}:{resource}"


def queue_url(dns_suffix: str, region: str, account: str, name: str) -> str:
    """The URL of an SQS queue."""
    return f"https://sqs.{region}.{dns_suffix}/{account}/{name}"
