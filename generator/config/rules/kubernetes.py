"""What Kubernetes itself refuses in labels and environment."""

from collections.abc import Iterator

from generator.config.node import ConfigNode
from generator.config.rules.base import WARNING, Case, Finding, agent, inference, provisioner, rule
from generator.config.rules.forms import NAME_RULE, key_fault, value_fault

# Labels by which the Deployment finds its pods, and by which Helm and people find the objects.
OWN_LABELS = frozenset(
    f"app.kubernetes.io/{name}" for name in ("name", "instance", "component", "part-of", "managed-by")
) | {"helm.sh/chart", "sd-on-eks/type"}

# Folders that a container cannot do without, the chart's own mounts among them.
NEEDED_FOLDERS = frozenset(
    {"/bin", "/data", "/dev", "/etc", "/etc/sd-on-eks", "/home", "/invokeai", "/lib", "/opt", "/opt/ml"}
    | {"/opt/ml/code", "/proc", "/root", "/run", "/sbin", "/sys", "/tmp", "/usr", "/var"}  # noqa: S108
)

# What the queue agent's environment says by itself: the key of the config that a user should set instead.
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
def labels_are_labels(case: Case) -> Iterator[Finding]:
    """Labels have the form that Kubernetes asks for."""
    for labels in _label_maps(case):
        for place in labels.entries():
            if fault := key_fault(place.key):
                yield Finding(
                    place, f"Kubernetes refuses this label: {fault}", f"a name has {NAME_RULE}", True
                )
            elif fault := value_fault(place.text() or ""):
                yield Finding(place, f"Kubernetes refuses this label: {fault}", f"a value has {NAME_RULE}")


@rule("SD902")
def annotations_have_names(case: Case) -> Iterator[Finding]:
    """Keys of annotations have the form that Kubernetes asks for."""
    for annotations in _annotation_maps(case):
        for place in annotations.entries():
            if fault := key_fault(place.key):
                yield Finding(
                    place, f"Kubernetes refuses this annotation: {fault}", f"a name has {NAME_RULE}", True
                )


@rule("SD903", WARNING)
def labels_are_not_the_charts_own(case: Case) -> Iterator[Finding]:
    """Labels that the chart sets itself cannot be changed: the Deployment finds its pods by them."""
    for runtime in case.runtimes:
        pods = runtime.at("extraValues", "runtime")
        for labels in (pods.at("labels"), pods.at("persistence", "labels")):
            for place in labels.entries():
                if place.key in OWN_LABELS:
                    yield Finding(
                        place, f"the chart sets {place.key} itself, and its value stays", "remove it", True
                    )


@rule("SD904")
def agent_environment_stays(case: Case) -> Iterator[Finding]:
    """queueAgent.extraEnv cannot set what the config says elsewhere: the two would disagree."""
    for runtime in case.runtimes:
        for place in agent(runtime).at("extraEnv").entries():
            if place.key in AGENT_ENVIRONMENT:
                instead = AGENT_ENVIRONMENT[place.key]
                help = f"remove it, and set {instead} if it must differ" if instead else "remove it"
                yield Finding(place, f"{place.key} follows from the rest of the config", help, True)


@rule("SD905")
def models_do_not_hide_the_system(case: Case) -> Iterator[Finding]:
    """The models folder cannot be mounted over a folder that the container needs."""
    for runtime in case.runtimes:
        place = inference(runtime).at("modelMountPath")
        path = (place.text() or "").rstrip("/")
        if path in NEEDED_FOLDERS or ".." in path.split("/"):
            what = f"models at {path} would hide what the container needs"
            yield Finding(place, what, "use /opt/ml/code/models")
