"""Values that the guards of sd-runtimes reject, with a part of each message."""

from typing import Any

from .conftest import Values, merged, nested

POOL = "karpenter.provisioner"
NODE = "karpenter.nodeTemplate"
API = "runtime.inferenceApi"
AGENT = "runtime.queueAgent"
WARM = "runtime.scaling.warm"
HOURS = {"start": "0 8 * * 1-5", "end": "0 18 * * 1-5"}
EGRESS = "runtime.networkPolicy.egress"
CUSTOM = {
    "type": "custom",
    "modelFilename": "",
    "runtime": {
        "inferenceApi": {
            "image": {"repository": "a.example/b", "tag": "1"},
            "probePath": "/alive",
            "taskPath": "/run",
        }
    },
}


def requirement(**fields: Any) -> Values:
    return nested(f"{POOL}.extraRequirements", [{"key": "example.com/x", "operator": "In", **fields}])


def reservations(*terms: Values) -> Values:
    return nested(f"{NODE}.capacityReservationSelectorTerms", list(terms))


# Name of the runtime -> its values, and a part of the message. All cases are runtimes of one rendering.
CASES: dict[str, tuple[Values, str]] = {
    "too-long-a-name-that-goes-on-and-on-a": ({}, ""),
    "static-without-model": ({"modelFilename": ""}, "modelFilename is empty: set the checkpoint"),
    "dynamic-no-checkpoint": (
        {"dynamicModel": True, "modelFilename": "model.bin"},
        "is not a valid checkpoint",
    ),
    "no-checkpoint": ({"modelFilename": "model.bin"}, "is not a valid checkpoint"),
    "tab-in-model": ({"modelFilename": "my\tmodel.ckpt"}, "is not a valid checkpoint"),
    "model-with-folder": ({"modelFilename": "models/model.ckpt"}, "is not a valid checkpoint"),
    "model-with-folders": ({"modelFilename": "Stable-diffusion/a.ckpt"}, "is not a valid checkpoint"),
    "model-of-windows": ({"modelFilename": "xl\\model.ckpt"}, "is not a valid checkpoint"),
    "failed-tasks-again": (
        nested(f"{AGENT}.deadLetterQueueUrl", "https://sqs.us-west-2.amazonaws.com/123456789012/demo-one"),
        "deadLetterQueueUrl is the queue itself",
    ),
    "two-queues-in-one": (
        nested(f"{AGENT}.highPriorityQueueUrl", "https://sqs.us-west-2.amazonaws.com/123456789012/demo-one"),
        "highPriorityQueueUrl is the queue of all tasks",
    ),
    "failed-tasks-first": (
        nested(
            AGENT,
            dict.fromkeys(
                ("highPriorityQueueUrl", "deadLetterQueueUrl"),
                "https://sqs.us-west-2.amazonaws.com/123456789012/demo-failed",
            ),
        ),
        "highPriorityQueueUrl is the dead-letter queue",
    ),
    "download-of-elsewhere": (
        nested("runtime.models.files", ["../other/a.safetensors"]),
        "is not the path of a file in the models folder",
    ),
    "cache-without-bucket": (
        merged(
            nested("runtime.models.cacheSize", "9Gi"), nested("runtime.persistence.existingClaim", "mine")
        ),
        "cacheSize: the models do not come from the bucket",
    ),
    "cache-of-old-driver": (nested("runtime.models.cacheSize", "9Gi"), "needs the CSI driver of EKS 1.29"),
    "models-over-downloads": (
        nested(f"{API}.modelMountPath", "/var/lib/sd-on-eks"),
        "conflicts with the volume that is mounted at /var/lib/sd-on-eks/models",
    ),
    "model-elsewhere": ({"modelFilename": "../model.ckpt"}, "is not a valid checkpoint"),
    "no-probe": (merged(CUSTOM, nested(f"{API}.probePath", "")), "probePath is empty"),
    "no-task-path": (merged(CUSTOM, nested(f"{API}.taskPath", "")), "taskPath is empty"),
    "no-image": (merged(CUSTOM, nested(f"{API}.image.repository", "")), "set repository, and tag or digest"),
    "no-tag": (merged(CUSTOM, nested(f"{API}.image.tag", "")), "set repository, and tag or digest"),
    "agents-port": (merged(CUSTOM, nested(f"{API}.port", 8081)), "the queue agent listens on 8081"),
    "reservation-by-id-and-tags": (
        reservations({"id": "cr-1", "tags": {"team": "art"}}),
        "id cr-1 is set together with other keys",
    ),
    "reservation-of-an-owner": (
        reservations({"id": "cr-1"}, {"ownerID": "210987654321"}),
        "neither id, tags nor instanceMatchCriteria",
    ),
    "reservation-with-no-tag": (reservations({"tags": {}}), "neither id, tags nor instanceMatchCriteria"),
    "reservation-with-empty-tag": (reservations({"tags": {"team": ""}}), "a tag with an empty key or value"),
    "reservation-with-many-tags": (
        reservations({"tags": {f"k{n}": "v" for n in range(21)}}),
        "a term with 21 tags; the maximum is 20",
    ),
    "rate-without-snapshot": (
        nested(f"{NODE}.osVolume.volumeInitializationRate", 300),
        "volumeInitializationRate needs snapshotID",
    ),
    "placement-group-on-1-28": (
        nested(f"{POOL}.labels", {"karpenter.k8s.aws/placement-group-id": "pg-1"}),
        "Karpenter does not allow karpenter.k8s.aws/placement-group-id",
    ),
    "no-queue": (nested(f"{AGENT}.sqsQueueUrl", ""), "queueAgent.sqsQueueUrl is empty"),
    "no-dead-letters": (nested(f"{AGENT}.deadLetterQueueUrl", ""), "queueAgent.deadLetterQueueUrl is empty"),
    "no-bucket": (nested(f"{AGENT}.s3Bucket", ""), "queueAgent.s3Bucket is empty"),
    "no-topic": (nested(f"{AGENT}.snsTopicArn", ""), "queueAgent.snsTopicArn is empty"),
    "old-daemon": (
        nested(f"{AGENT}.xray.daemon.image.repository", "public.ecr.aws/xray/aws-xray-daemon"),
        "does not support OpenTelemetry",
    ),
    "two-sources": (
        nested(
            f"{API}.extraEnv",
            [{"name": "A", "value": 0, "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        ),
        "A has both value and valueFrom",
    ),
    "open-quote": (nested(f"{API}.commandArguments", "--theme 'dark"), "a quote is not closed"),
    "models-over-scratch": (
        nested(f"{API}.modelMountPath", "/tmp/"),
        "conflicts with the volume that is mounted at /tmp",
    ),
    "models-over-config": (nested(f"{API}.modelMountPath", "/etc/sd-on-eks"), "mounted at /etc/sd-on-eks"),
    "models-in-config": (
        nested(f"{API}.modelMountPath", "/etc/sd-on-eks/models"),
        "mounted at /etc/sd-on-eks",
    ),
    "models-above-config": (nested(f"{API}.modelMountPath", "/etc"), "mounted at /etc/sd-on-eks"),
    "models-by-another-path": (
        nested(f"{API}.modelMountPath", "/./tmp//"),
        "/tmp conflicts with the volume that is mounted at /tmp",
    ),
    "other-port": (nested(f"{API}.commandArguments", "--port 7860"), "--port cannot be set: the probes"),
    "runtimes-variable": (nested(f"{API}.extraEnv", {"RUNTIME_PORT": 1}), "other values set RUNTIME_PORT"),
    "agents-variable": (
        nested(f"{AGENT}.extraEnv", [{"name": "S3_BUCKET", "value": "x"}]),
        "other values set S3_BUCKET",
    ),
    "other-path": (nested(f"{API}.extraEnv", {"PATH": "/bin"}), 'PATH cannot be set to "/bin"'),
    "shared-gpu": (
        nested(f"{API}.resources.requests", {"nvidia.com/gpu": "2"}),
        "set both to the same number",
    ),
    "memory-over-limit": (nested(f"{API}.resources.limits", {"memory": "5000Mi"}), "request 6Gi for memory"),
    "cpu-over-limit": (nested(f"{AGENT}.resources.limits", {"cpu": 0.25}), "request 500m for cpu"),
    "bad-label": (nested("runtime.labels", {"team": "a b"}), '"a b" is not a valid value'),
    "bad-label-key": (nested("runtime.labels", {"a b": "x"}), '"a b" is not a valid key'),
    "bad-annotation": (nested("runtime.annotations", {"/x": "y"}), "is not a valid key"),
    "bad-volume-label": (nested("runtime.persistence.labels", {"t": "-"}), "is not a valid value"),
    "bad-volume-note": (nested("runtime.persistence.annotations", {"a/b/c": ""}), "is not a valid key"),
    "no-way-to-aws": (nested(f"{EGRESS}.internet", False), "the queue agent could not reach AWS"),
    "everything": (nested(f"{EGRESS}.cidrs", ["0.0.0.0/0"]), "0.0.0.0/0 has link-local addresses"),
    "half-of-everything": (nested(f"{EGRESS}.cidrs", ["128.0.0.0/1"]), "has link-local addresses"),
    "metadata-service": (
        nested(f"{EGRESS}.cidrs", ["10.0.0.5/32", "169.254.169.254/32"]),
        "169.254.169.254/32 has link-local addresses",
    ),
    "min-over-max": (
        nested("runtime.scaling", {"minReplicaCount": 5, "maxReplicaCount": 4}),
        "minReplicaCount 5 is above maxReplicaCount 4",
    ),
    "no-pods": (nested("runtime.scaling.maxReplicaCount", 0), "maxReplicaCount is 0"),
    "unknown-behavior": (nested("runtime.scaling.extraHPAConfig", {"down": {}}), "use scaleUp and scaleDown"),
    "long-window": (
        nested("runtime.scaling.extraHPAConfig", {"scaleDown": {"stabilizationWindowSeconds": 7200}}),
        "the maximum is 3600",
    ),
    "flat-behavior": (nested("runtime.scaling.extraHPAConfig", {"scaleUp": 3}), "scaleUp is not a mapping"),
    "warm-nothing": (nested(WARM, [{"timezone": "Europe/Berlin"}]), "warm[0]: it keeps nothing"),
    "warm-without-hours": (nested(WARM, [{"nodes": 1}, {"pods": 1}]), "warm[1]: pods without hours"),
    "warm-without-end": (nested(WARM, [{"pods": 1, "start": "0 8 * * *"}]), "start and end belong together"),
    "warm-above-maximum": (nested(WARM, [{"pods": 21, **HOURS}]), "pods 21 is above maxReplicaCount 20"),
    "warm-at-odd-hours": (
        nested(WARM, [{"pods": 1, **HOURS, "start": "0 25 * * *"}]),
        'warm[0].start: "0 25 * * *" is not a cron expression',
    ),
    "warm-on-sunday": (
        nested(WARM, [{"nodes": 1, **HOURS, "end": "0 18 * * 5-7"}]),
        'warm[0].end: "0 18 * * 5-7" is not a cron expression',
    ),
    "warm-backwards": (
        nested(WARM, [{"nodes": 1, **HOURS, "end": "0 18 * * 5-1"}]),
        'warm[0].end: "0 18 * * 5-1" is not a cron expression',
    ),
    "warm-for-no-time": (
        nested(WARM, [{"nodes": 1, "start": "0 8 * * *", "end": "0  8 * * *"}]),
        "start and end are the same",
    ),
    "warm-without-keda": (
        nested("runtime.scaling", {"enabled": False, "warm": [{"nodes": 1}]}),
        "scaling.enabled is false, so KEDA keeps nothing warm",
    ),
    "no-models": (nested("runtime.persistence.s3.modelBucket", ""), "modelBucket is empty"),
    "one-writer": (
        nested("runtime.persistence.accessModes", ["ReadWriteOnce"]),
        "the S3 CSI driver supports",
    ),
    **{
        f"mount-option-{name}": (nested("runtime.persistence.s3.mountOptions", options), message)
        for name, options, message in (
            ("of-the-chart", ["region eu-west-1"], "region cannot be set: the chart sets it"),
            ("unknown", ["memory-target 5"], "memory-target is not an option of Mountpoint"),
            ("value", ["prefix team-a"], 'prefix: "team-a" is not a value of it'),
            ("range", ["read-part-size 1024"], "read-part-size: 1024 is outside its limits"),
            ("twice", ["debug", "--debug"], "debug is set twice"),
            ("exclusive", ["no-log", "debug"], "no-log excludes debug"),
            ("newer", ["otlp-endpoint http://a:4317"], "otlp-endpoint needs the CSI driver of EKS 1.29"),
        )
    },
    "one-pod-and-more": (
        nested(
            "runtime.persistence",
            {
                "s3": {"enabled": False},
                "storageClass": "gp3",
                "accessModes": ["ReadWriteOncePod", "ReadWriteMany"],
            },
        ),
        "rejects ReadWriteOncePod together with other modes",
    ),
    "unbound-claim": (nested("runtime.persistence.s3.enabled", False), "is never bound"),
    "no-capacity": (nested(f"{POOL}.capacityType", {"spot": False, "onDemand": False}), "both off"),
    "helm-label-on-nodes": (nested(f"{POOL}.labels", {"app.kubernetes.io/name": "x"}), "does not allow"),
    "hostname": (nested(f"{POOL}.labels", {"kubernetes.io/hostname": "x"}), "does not allow kub"),
    "many-node-labels": (nested(f"{POOL}.labels", {f"k{n}": "v" for n in range(101)}), "has 101 labels"),
    "bad-node-label": (nested(f"{POOL}.labels", {"x": "ä"}), "is not a valid value"),
    "bad-node-note": (nested(f"{POOL}.annotations", {"": "x"}), "is not a valid key"),
    "pool-of-another": (
        requirement(key="karpenter.sh/nodepool", values=["x"]),
        "karpenter.sh/nodepool: Karpenter does not allow",
    ),
    "unknown-aws-label": (
        requirement(key="karpenter.k8s.aws/instance-colour", values=["x"]),
        "instance-colour: Karpenter does not allow",
    ),
    "k8s-label": (requirement(key="x.k8s.io/y", values=["x"]), "x.k8s.io/y: Karpenter does not"),
    "in-without-values": (requirement(), "In needs values"),
    "not-in-without-values": (requirement(operator="NotIn", values=[]), "NotIn needs values"),
    "exists-with-values": (requirement(operator="Exists", values=["x"]), "Exists takes no values"),
    "more-than-text": (requirement(operator="Gt", values=["many"]), "takes one integer"),
    "more-than-two": (requirement(operator="Lt", values=["1", "2"]), "takes one integer"),
    "too-new-operator": (
        requirement(operator="Gte", values=["1"]),
        "Karpenter of EKS 1.28 does not support the operator Gte",
    ),
    "more-than-a-huge-number": (requirement(operator="Gt", values=["9" * 19]), "takes one integer"),
    "more-than-arabic-digits": (requirement(operator="Lt", values=["\u0664\u0662"]), "takes one integer"),
    "bad-requirement-value": (requirement(values=["a b"]), '"a b" is not a valid value'),
    "no-requirement-key": (requirement(key="", values=["x"]), "is not a valid key"),
    "bad-domain": (nested("runtime.labels", {"a..b/x": "y"}), "is not a valid key"),
    "too-few-values": (requirement(values=["a"], minValues=2), "minValues is 2, but there are 1 values"),
    "bad-requirement": (requirement(key="a b", values=["x"]), "is not a valid key"),
    "taint-twice": (
        nested(f"{POOL}.extraTaints", [{"key": "runtime", "effect": "NoSchedule"}]),
        "already have a taint runtime:NoSchedule",
    ),
    "bad-taint": (
        nested(f"{POOL}.extraTaints", [{"key": "a b", "effect": "NoSchedule"}]),
        "is not a valid key",
    ),
    "no-taint-key": (
        nested(f"{POOL}.extraTaints", [{"key": "", "effect": "NoSchedule"}]),
        "is not a valid key",
    ),
    "no-role": (nested(f"{NODE}.iamRole", ""), "iamRole is empty"),
    "empty-selector": (
        nested(f"{NODE}.subnetSelector", {"a": ""}),
        "subnetSelector has an empty key or value",
    ),
    "many-selectors": (
        nested(f"{NODE}.securityGroupSelector", {f"k{n}": "v" for n in range(21)}),
        "has 21 tags",
    ),
    "tag-of-aws": (nested(f"{NODE}.tags", {"aws:x": "y"}), "is reserved by AWS or Karpenter"),
    "tag-of-karpenter": (nested(f"{NODE}.tags", {"karpenter.sh/nodepool": "y"}), "is reserved by AWS"),
    "tag-of-cluster": (nested(f"{NODE}.tags", {"kubernetes.io/cluster/x": "y"}), "is reserved by AWS"),
    "gp2-with-iops": (
        nested(f"{NODE}.osVolume", {"volumeType": "gp2", "throughput": None}),
        "gp2 volumes do not take iops",
    ),
    "io2-with-throughput": (
        nested(f"{NODE}.dataVolume", {"volumeType": "io2"}),
        "io2 volumes do not take throughput",
    ),
    "io2-without-iops": (
        nested(f"{NODE}.dataVolume", {"volumeType": "io2", "iops": None, "throughput": None}),
        "an io2 volume needs iops",
    ),
    "too-many-tebibytes": (
        nested(f"{NODE}.dataVolume", {"volumeSize": "18Ti"}),
        "does not accept 18Ti: with the unit Ti the maximum is 17",
    ),
    "too-many-gibibytes": (
        nested(f"{NODE}.osVolume", {"volumeSize": "60000Gi"}),
        "with the unit Gi the maximum is 59000",
    ),
    "io1-without-iops": (
        nested(f"{NODE}.osVolume", {"volumeType": "io1", "iops": None, "throughput": None}),
        "an io1 volume needs iops",
    ),
    "fast-without-iops": (
        nested(f"{NODE}.dataVolume", {"throughput": 1000}),
        "throughput 1000 needs 4000 iops",
    ),
    "storage-twice": (
        nested(f"{NODE}.userData", 'commands = [["apiclient", "ephemeral-storage", "init"]]'),
        "both set up the instance storage",
    ),
    "no-ami": (nested(f"{NODE}.amiVersion", ""), "amiVersion is null or empty"),
}
STACK = "a-stack-with-quite-a-long-name"
LONG = "too-long-a-name-that-goes-on-and-on-a"

# Values whose absence means something: nothing is rendered, or something else takes their place.
OPTIONAL = {
    f"{NODE}.osVolume.volumeInitializationRate",
    f"{NODE}.dataVolume.volumeInitializationRate",
    f"{NODE}.osVolume.iops",
    f"{NODE}.osVolume.throughput",
    f"{NODE}.osVolume.snapshotID",
    f"{NODE}.dataVolume.iops",
    f"{NODE}.dataVolume.throughput",
    f"{NODE}.dataVolume.snapshotID",
    f"{NODE}.userData",
    f"{POOL}.resourceLimits",
    f"{API}.resources.requests",
    f"{AGENT}.resources.limits.memory",
    f"{AGENT}.resources.requests.cpu",
    f"{AGENT}.resources.requests.memory",
    f"{AGENT}.highPriorityQueueUrl",
    f"{AGENT}.xray.enabled",
    "runtime.serviceAccountName",
    "runtime.serviceAccountRoleArn",
    "runtime.persistence.existingClaim",
    "runtime.persistence.storageClass",
    *(f"{part}.image.{key}" for part in (API, AGENT) for key in ("repository", "tag", "digest")),
    f"{AGENT}.xray.daemon.image.digest",
}
