"""What the CRDs of Karpenter 1.8 and KEDA 2.15 take, for what the chart renders of them.

Written by hand from their schemas, as far as the chart uses them; tests/e2e holds the same objects against
the real CRDs in a real API server. A key that is not here is one that it would refuse or silently drop.
"""

from typing import Any

Schema = dict[str, Any]
TEXT: Schema = {"type": "string", "minLength": 1}
DURATION = "^([0-9]+(s|m|h))+$"
DURATION_OR_NEVER = "^(([0-9]+(s|m|h))+|Never)$"


def closed(required: tuple[str, ...], **properties: Schema) -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": properties,
    }


def listed(items: Schema, least: int = 0) -> Schema:
    return {"type": "array", "items": items, "minItems": least}


def text(pattern: str) -> Schema:
    return {"type": "string", "pattern": pattern}


def one_of(*words: str) -> Schema:
    return {"enum": list(words)}


MAP: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
TAGS: Schema = {"type": "object", "additionalProperties": TEXT, "minProperties": 1, "maxProperties": 20}
TAINT = closed(
    ("key", "effect"),
    key=TEXT,
    value={"type": "string"},
    effect=one_of("NoSchedule", "PreferNoSchedule", "NoExecute"),
)
REQUIREMENT = closed(
    ("key", "operator"),
    key=TEXT,
    operator=one_of("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"),
    values=listed({"type": "string"}),
    minValues={"type": "integer", "minimum": 1, "maximum": 50},
)
BUDGET = closed(
    ("nodes",),
    nodes=text("^((100|[0-9]{1,2})%|[0-9]+)$"),
    reasons=listed(one_of("Underutilized", "Empty", "Drifted")),
)
EBS = closed(
    ("volumeSize",),
    encrypted={"type": "boolean"},
    volumeSize=text("^[1-9][0-9]*(Gi|G|Ti|T)$"),
    volumeType=one_of("standard", "io1", "io2", "gp2", "sc1", "st1", "gp3"),
    deleteOnTermination={"type": "boolean"},
    iops={"type": "integer"},
    throughput={"type": "integer"},
    snapshotID=TEXT,
    volumeInitializationRate={"type": "integer", "minimum": 100, "maximum": 300},
    kmsKeyID={"type": "string"},
)
RESERVATION = closed(
    (),
    id=text("^cr-[0-9a-z]+$"),
    instanceMatchCriteria=one_of("open", "targeted"),
    ownerID=text("^[0-9]{12}$"),
    tags=TAGS,
)
SQS_TRIGGER = closed(
    ("type", "metadata"),
    type=one_of("aws-sqs-queue"),
    # A variable of the formula.
    name=text("^[a-z]+$"),
    authenticationRef=closed(("name",), name=TEXT),
    metadata={
        "type": "object",
        "additionalProperties": False,
        "required": ["queueURL", "awsRegion"],
        "properties": {
            key: {"type": "string"}
            for key in ("queueURL", "awsRegion", "queueLength", "scaleOnInFlight", "awsEndpoint")
        },
    },
)

CRON_TRIGGER = closed(
    ("type", "metadata"),
    type=one_of("cron"),
    name=text("^warm[0-9]+$"),
    metadata=closed(
        ("timezone", "start", "end", "desiredReplicas"),
        timezone=TEXT,
        start=TEXT,
        end=TEXT,
        desiredReplicas=text("^[1-9][0-9]*$"),
    ),
)
TRIGGER: Schema = {"anyOf": [SQS_TRIGGER, CRON_TRIGGER]}

SPECS: dict[str, Schema] = {
    "NodePool": closed(
        ("template",),
        template=closed(
            ("spec",),
            metadata=closed((), labels=MAP, annotations=MAP),
            spec=closed(
                ("nodeClassRef", "requirements"),
                nodeClassRef=closed(
                    ("group", "kind", "name"),
                    group=one_of("karpenter.k8s.aws", "eks.amazonaws.com"),
                    kind=one_of("EC2NodeClass", "NodeClass"),
                    name=TEXT,
                ),
                expireAfter=text(DURATION_OR_NEVER),
                terminationGracePeriod=text(DURATION),
                taints=listed(TAINT),
                requirements={**listed(REQUIREMENT), "maxItems": 100},
            ),
        ),
        disruption=closed(
            ("consolidateAfter",),
            consolidationPolicy=one_of("WhenEmpty", "WhenEmptyOrUnderutilized"),
            consolidateAfter=text(DURATION_OR_NEVER),
            budgets={**listed(BUDGET), "maxItems": 50},
        ),
        limits=MAP,
    ),
    "EC2NodeClass": closed(
        ("amiSelectorTerms", "subnetSelectorTerms", "securityGroupSelectorTerms", "role"),
        amiSelectorTerms={
            **listed(closed(("alias",), alias={**text("^[a-zA-Z0-9]+@.+$"), "maxLength": 30}), 1),
            "maxItems": 1,
        },
        role=TEXT,
        subnetSelectorTerms=listed(closed(("tags",), tags=TAGS), 1),
        securityGroupSelectorTerms=listed(closed(("tags",), tags=TAGS), 1),
        capacityReservationSelectorTerms={**listed(RESERVATION), "maxItems": 30},
        tags=MAP,
        metadataOptions=closed(
            (),
            httpEndpoint=one_of("enabled", "disabled"),
            httpProtocolIPv6=one_of("enabled", "disabled"),
            httpPutResponseHopLimit={"type": "integer", "minimum": 1, "maximum": 64},
            httpTokens=one_of("required", "optional"),
        ),
        instanceStorePolicy=one_of("RAID0"),
        blockDeviceMappings=listed(closed(("deviceName", "ebs"), deviceName=TEXT, ebs=EBS), 2),
        userData={"type": "string"},
    ),
    # Of EKS Auto Mode, from its CRD of 2025-02; kmsKeyID and reservations came later, from AWS's page:
    # https://docs.aws.amazon.com/eks/latest/userguide/create-node-class.html
    "NodeClass": closed(
        ("role", "subnetSelectorTerms", "securityGroupSelectorTerms"),
        role={"type": "string", "minLength": 1, "maxLength": 64},
        subnetSelectorTerms={**listed(closed(("tags",), tags=TAGS), 1), "maxItems": 30},
        securityGroupSelectorTerms={**listed(closed(("tags",), tags=TAGS), 1), "maxItems": 30},
        capacityReservationSelectorTerms={
            **listed(
                closed((), id=text("^cr-[0-9a-z]+$"), owner=text("^[0-9]{12}$"), tags=TAGS),
            ),
            "maxItems": 30,
        },
        tags=MAP,
        ephemeralStorage=closed(
            (),
            size=text("^[1-9][0-9]*(Gi|G|Ti|T)$"),
            iops={"type": "integer", "minimum": 3000, "maximum": 16000},
            throughput={"type": "integer", "minimum": 125, "maximum": 1000},
            kmsKeyID={"type": "string"},
        ),
    ),
    "ScaledObject": closed(
        ("scaleTargetRef", "triggers"),
        scaleTargetRef=closed(("name",), name=TEXT),
        pollingInterval={"type": "integer"},
        cooldownPeriod={"type": "integer"},
        minReplicaCount={"type": "integer", "minimum": 0},
        maxReplicaCount={"type": "integer", "minimum": 1},
        advanced=closed(
            ("horizontalPodAutoscalerConfig",),
            scalingModifiers=closed(
                ("formula", "target", "metricType"),
                formula=TEXT,
                target=one_of("1"),
                metricType=one_of("AverageValue"),
            ),
            horizontalPodAutoscalerConfig=closed(("behavior",), behavior={"type": "object"}),
        ),
        triggers=listed(TRIGGER, 1),
    ),
    "TriggerAuthentication": closed(
        ("podIdentity",), podIdentity=closed(("provider",), provider=one_of("aws"))
    ),
}
VERSIONS = {
    "NodePool": "karpenter.sh/v1",
    "EC2NodeClass": "karpenter.k8s.aws/v1",
    "NodeClass": "eks.amazonaws.com/v1",
    "ScaledObject": "keda.sh/v1alpha1",
    "TriggerAuthentication": "keda.sh/v1alpha1",
}
