"""What Kubernetes rejects in labels and annotations, and what the chart sets itself."""

from collections.abc import Iterator

from generator.config.node import ConfigNode
from generator.config.rules.base import WARNING, Case, Finding, agent, inference, provisioner, rule
from generator.config.rules.forms import NAME_RULE, key_fault, value_fault

# Labels of the Deployment's selector, and those that the chart sets on every object.
OWN_LABELS = frozenset(
    f"app.kubernetes.io/{name}" for name in ("name", "instance", "component", "part-of", "managed-by")
) | {"helm.sh/chart", "sd-on-eks/type"}

# Folders that a container needs, including the chart's own mounts.
NEEDED_FOLDERS = frozenset(
    {"/bin", "/data", "/dev", "/etc", "/etc/sd-on-eks", "/home", "/invokeai", "/lib", "/opt", "/opt/ml"}
    | {"/opt/ml/code", "/proc", "/root", "/run", "/sbin", "/sys", "/tmp", "/usr", "/var"}  # noqa: S108
)

# Environment variables that the chart sets for the queue agent -> the config key to use instead.
AGENT_ENVIRONMENT = {
    "AWS_REGION": "region",
    "AWS_DEFAULT_REGION": "region",
    "RUNTIME_NAME": "name",
    "RUNTIME_TYPE": "type",
    "RUNTIME_URL": "inferenceApi.port",
    "SQS_QUEUE_URL": "queueAgent.sqsQueueUrl",
    "DEAD_LETTER_QUEUE_URL": "queueAgent.deadLetterQueueUrl",
    "S3_BUCKET": "queueAgent.s3Bucket",
    "SNS_TOPIC_ARN": "queueAgent.snsTopicArn",
    "MODEL_FILENAME": "modelFilename",
    "DYNAMIC_SD_MODEL": "dynamicModel",
    "MODELS_PATH": "inferenceApi.modelMountPath",
    "TASK_TIMEOUT_SECONDS": "queueAgent.taskTimeoutSeconds",
    "MAX_ATTEMPTS": "queueAgent.maxAttempts",
    "SHUTDOWN_GRACE_SECONDS": "queueAgent.taskTimeoutSeconds",
    "INPUT_BUCKETS": "queueAgent.inputBuckets",
    "AGENT_PORT": "",
    "TASK_PATH": "inferenceApi.taskPath",
    "READY_PATH": "inferenceApi.probePath",
}


def _label_maps(case: Case) -> Iterator[ConfigNode]:
    for runtime in case.runtimes:
        pods = runtime.at("extraValues", "runtime")
        yield from (pods.at("labels"), pods.at("persistence", "labels"), provisioner(runtime).at("labels"))


def _annotation_maps(case: Case) -> Iterator[ConfigNode]:
    for runtime in case.runtimes:
        pods = runtime.at("extraValues", "runtime")
        yield from (pods.at("annotations"), pods.at("persistence", "annotations"))
        yield provisioner(runtime).at("annotations")


@rule("SD901")
def labels_are_valid(case: Case) -> Iterator[Finding]:
    """Labels must be valid in Kubernetes."""
    for labels in _label_maps(case):
        for node in labels.entries():
            if fault := key_fault(node.key):
                yield Finding(
                    node, f"Kubernetes rejects this label: {fault}", f"a name has {NAME_RULE}", True
                )
            elif fault := value_fault(node.text() or ""):
                yield Finding(node, f"Kubernetes rejects this label: {fault}", f"a value has {NAME_RULE}")


@rule("SD902")
def annotations_are_valid(case: Case) -> Iterator[Finding]:
    """Keys of annotations must be valid in Kubernetes."""
    for annotations in _annotation_maps(case):
        for node in annotations.entries():
            if fault := key_fault(node.key):
                yield Finding(
                    node, f"Kubernetes rejects this annotation: {fault}", f"a name has {NAME_RULE}", True
                )


@rule("SD903", WARNING)
def labels_are_not_the_charts_own(case: Case) -> Iterator[Finding]:
    """Labels that the chart sets itself cannot be changed: the Deployment selects its pods by them."""
    for runtime in case.runtimes:
        pods = runtime.at("extraValues", "runtime")
        for labels in (pods.at("labels"), pods.at("persistence", "labels")):
            for node in labels.entries():
                if node.key in OWN_LABELS:
                    yield Finding(
                        node, f"the chart sets {node.key} itself and ignores this value", "remove it", True
                    )


@rule("SD904")
def agent_environment_is_not_overridden(case: Case) -> Iterator[Finding]:
    """queueAgent.extraEnv cannot set what other keys of the config set: the two would conflict."""
    for runtime in case.runtimes:
        for node in agent(runtime).at("extraEnv").entries():
            if node.key in AGENT_ENVIRONMENT:
                instead = AGENT_ENVIRONMENT[node.key]
                help = f"remove it, and set {instead} to change it" if instead else "remove it"
                yield Finding(node, f"{node.key} is derived from the rest of the config", help, True)


@rule("SD905")
def models_do_not_hide_the_system(case: Case) -> Iterator[Finding]:
    """The models cannot be mounted over a folder that the container needs."""
    for runtime in case.runtimes:
        node = inference(runtime).at("modelMountPath")
        path = (node.text() or "").rstrip("/")
        if path in NEEDED_FOLDERS or ".." in path.split("/"):
            message = f"models mounted at {path} would hide files that the container needs"
            yield Finding(node, message, "use /opt/ml/code/models")
