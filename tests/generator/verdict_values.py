"""Values of every key of a runtime: common ones, limits, and texts that programs read differently.

`POOLS` has the values of each key, by its path. Keys that are not in it get values by their type.
"""

from typing import Any

from tests.generator.every_key import COMMIT, GIT_NODE, OF_RUNTIME, TAINTS, Data
from tests.generator.every_key import REQUIREMENTS as REQUIREMENTS_PATH
from tests.generator.verdict_texts import (
    BYTES,
    CORES,
    KEYS,
    NAMES,
    PATHS,
    REPOSITORIES,
    SHORT_TEXTS,
    SIZES,
    TEXTS,
)
from tests.generator.verdict_warm import WARM_LISTS

POOL, NODE, POD = (
    f"extraValues.{part}" for part in ("karpenter.provisioner", "karpenter.nodeTemplate", "runtime")
)
API, AGENT, MODELS = f"{POD}.inferenceApi", f"{POD}.queueAgent", f"{POD}.persistence"


LABELS = (
    [{key: "a"} for key in KEYS] + [{"a": text} for text in TEXTS] + [{}, {f"k{n}": "v" for n in range(101)}]
)
ANNOTATIONS = LABELS
TAGS = [
    *({key: "a"} for key in [*KEYS, "aws:a", "AWS:a", "eks:eks-cluster-name", "kubernetes.io/cluster/a"]),
    *({"a": text} for text in TEXTS),
    *({"x" * length: "a"} for length in (127, 128, 129)),
    *({f"k{n}": "v" for n in range(count)} for count in (20, 21, 40, 41)),
]
SELECTORS = [{"a": "b"}, {"": "a"}, {"a": ""}, {"a": "*"}, {"aws:eks:cluster-name": "demo"}, *TAGS[-4:]]

FREE, ZONE = "example.com/a", "topology.kubernetes.io/zone"
OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt", "Gte", "Lte")
VALUE_LISTS: list[list[Any]] = [
    *(
        [],
        [""],
        ["1"],
        ["0"],
        ["-1"],
        ["+1"],
        ["01"],
        ["1.5"],
        ["1e3"],
        ["\u0664"],
        ["9" * 18],
        ["9" * 19],
        ["many"],
    ),
    *(["a", "b"], ["1", "2"], ["a b"], ["x" * 64], ["y"], ["null"], ["a\n"]),
]
REQUIREMENTS = [
    *([{"key": key, "operator": "Exists"}] for key in KEYS),
    *(
        [{"key": FREE, "operator": operator, "values": values}]
        for operator in OPERATORS
        for values in VALUE_LISTS
    ),
    *([{"key": FREE, "operator": operator}] for operator in OPERATORS),
    *(
        [{"key": FREE, "operator": operator, "values": ["a", "b"], "minValues": count}]
        for operator in ("In", "NotIn")
        for count in (1, 2, 3, 50, 51)
    ),
    [{"key": ZONE, "operator": "In", "values": ["us-west-2a"]}],
    *([{"key": f"example.com/k{n}", "operator": "Exists"} for n in range(count)] for count in (94, 95, 96)),
]
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
TAINT_LISTS = [
    *([{"key": key, "effect": "NoExecute"}] for key in KEYS),
    *([{"key": "a", "value": text, "effect": "NoSchedule"}] for text in TEXTS),
    *([{"key": key, "effect": effect}] for key in ("runtime", "nvidia.com/gpu") for effect in EFFECTS),
    *(
        [{"key": "a", "effect": "NoSchedule"}, {"key": "a", "value": "b", "effect": effect}]
        for effect in EFFECTS
    ),
]

VOLUMES: list[Data] = [
    {"volumeType": kind, "iops": iops, "throughput": throughput, "volumeSize": "100Gi"}
    for kind in ("gp3", "gp2", "io1", "io2")
    for iops in (None, 100, 3000, 16000)
    for throughput in (None, 125, 750, 751, 2000)
]
RATES: list[Data] = [
    {"volumeSize": "100Gi", "snapshotID": snapshot, "volumeInitializationRate": rate}
    for snapshot in ("", "snap-0123456789abcdef0")
    for rate in (None, 0, 99, 100, 300, 301, "300")
]
TERM_LISTS: list[list[Data]] = [
    [],
    [{}],
    *([{"id": name}] for name in ("cr-1", "cr-0123456789abcdef0", "cr-", "CR-1", "", "cr-1\n")),
    *([{"tags": tags}] for tags in ({}, {"a": "*"}, {"": "a"}, {"a": ""}, *TAGS[-4:])),
    *([{"tags": {"a": text}}] for text in TEXTS),
    *([{"tags": {"a": "b"}, "ownerID": owner}] for owner in ("210987654321", "1", 210987654321, "")),
    *([{"instanceMatchCriteria": kind}] for kind in ("open", "targeted", "Open", "")),
    [{"ownerID": "210987654321"}],
    [{"id": "cr-1", "tags": {"a": "b"}}],
    [{"id": "cr-1", "ownerID": "210987654321"}],
    [{"id": "cr-1"}, {}],
    *([{"id": f"cr-{number}"} for number in range(count)] for count in (30, 31)),
]
WINDOWS: list[Any] = [0, 150, 3600, 3601, -1, 1.5, "60", None]
BEHAVIORS: list[Any] = [
    {},
    *({"scaleDown": {"stabilizationWindowSeconds": window}} for window in WINDOWS),
    *({"scaleUp": {"selectPolicy": policy}} for policy in ("Max", "Min", "Disabled", "max", "", None, 1)),
    *(
        {"scaleUp": rules}
        for rules in (None, [], {}, 3, "x", {"policies": []}, {"policies": None}, {"tolerance": 0.1})
    ),
    *({key: {"selectPolicy": "Min"}} for key in ("scaleup", "down", "", "y")),
    *(
        {"scaleUp": {"policies": [{"type": kind, "value": count, "periodSeconds": seconds}]}}
        for kind, count, seconds in [
            ("Pods", 4, 60),
            ("Percent", 100, 1800),
            ("Pods", 0, 60),
            ("Pods", 4, 1801),
            ("Nodes", 4, 60),
            ("Pods", "4", 60),
            ("Pods", 4.0, 60),
            ("Pods", True, 60),
            ("Pods", 2147483648, 60),
            ("Pods", None, 60),
        ]
    ),
    {"scaleUp": {"policies": [{"type": "Pods", "value": 4}]}},
    {"scaleUp": {"stabilizationWindow": 60}},
]
ENVIRONMENT: list[Any] = [
    *({"A": text} for text in TEXTS),
    *({key: "a"} for key in ("a", "A_1", "y", "null", "1A", "A-B", "A.B", "", "A B", "\u00c4")),
    *({"A": value} for value in (1, 0, 0.5, 1000000, 33554432, 2**53, 1e21, True, False, 1.0, -0.0)),
    [{"name": "A", "value": "b"}],
]
ACCESS = [
    *([mode] for mode in ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod")),
    *(["ReadOnlyMany", mode] for mode in ("ReadWriteOnce", "ReadWriteMany", "ReadWriteOncePod")),
    [],
    ["ReadOnly"],
    ["ReadOnlyMany", "ReadOnlyMany"],
]
MOUNT_OPTIONS = [
    [],
    *(
        [text]
        for text in (
            *(
                "prefix a/",
                "prefix=a/b/",
                "--prefix a b/",
                " prefix  a/ ",
                "prefix a",
                "prefix /a/",
                "prefix",
            ),
            *("debug", "--debug", "-d", "debug=", "debug 1", "DEBUG", "", "-o debug", "---debug"),
            *("endpoint-url https://a.example.com", "endpoint-url http://a", "endpoint-url https://a b"),
            *("max-threads 0", "max-threads 64", "max-threads 1.5", "max-threads \u0664"),
            *("read-part-size 5242879", "read-part-size 5242880", "read-part-size=5368709121"),
            *("dir-mode 0755", "dir-mode 311", "dir-mode 7777", "file-mode 440", "file-mode 0222"),
            *("metadata-ttl indefinite", "metadata-ttl -1", "negative-metadata-ttl 0"),
            *("region us-west-2", "uid=0", "allow-delete", "cache /tmp", "profile x", "memory-target 5"),
            *("expected-bucket-owner 123456789012", "expected-bucket-owner 1", "bucket-type directory"),
            *("transfer-acceleration", "maximum-throughput-gbps 25", "maximum-throughput-gbps 0"),
            *("otlp-endpoint http://a:4317", "otlp-export-interval 5", "prefix \u00e4/", "prefix a\n/"),
        )
    ),
    *(["debug", text] for text in ("debug", "--debug", "no-log", "log-metrics")),
    ["part-size 5242880", "read-part-size 5242880"],
    ["otlp-endpoint http://a:4317", "otlp-export-interval 5"],
    ["endpoint-url https://a", "dual-stack"],
]
LOCAL_DISK = {"s3": {"enabled": False}, "storageClass": "gp3"}
CLAIMS: list[Data] = [{"accessModes": modes, **LOCAL_DISK} for modes in ACCESS]
CLAIMS += [{"s3": {"enabled": False}, "storageClass": name} for name in (None, "", "-", "gp3", "a..b", "A")]
CLAIMS += [{"existingClaim": "mine", "accessModes": modes} for modes in ACCESS[:2]]
CLAIMS += [{"enabled": False, "accessModes": modes} for modes in ACCESS[:2]]
SCALINGS = [
    {"enabled": enabled, "minReplicaCount": low, "maxReplicaCount": high}
    for enabled in (True, False)
    for low, high in [(0, 0), (0, 1), (1, 0), (2, 1), (1, 1), (0, 2147483647), (0, 2147483648)]
]
RESOURCES: list[Data] = [
    *(
        {"requests": {"cpu": low}, "limits": {"cpu": high}}
        for low, high in [("700m", 0.7), (0.7, "700m"), (1, "999m")]
    ),
    *(
        {"requests": {"memory": low}, "limits": {"memory": high}}
        for low, high in [
            ("6Gi", "6442450944"),
            ("6Gi", 6442450943),
            ("6.5G", "6Gi"),
            ("1.1k", "1100"),
            ("6e9", "6G"),
        ]
    ),
    *(
        {"requests": {"nvidia.com/gpu": low}, "limits": {"nvidia.com/gpu": high}}
        for low in (1, "1", 2)
        for high in (1, "1")
    ),
    *(
        {side: {"nvidia.com/gpu": count}}
        for side in ("requests", "limits")
        for count in (1, "1", 2, 0, "01", 1.0)
    ),
    {},
    {"limits": {}},
    {"limits": {"ephemeral-storage": "1Gi"}, "requests": {"ephemeral-storage": "2Gi"}},
]

CIDR_LISTS: list[list[Any]] = [
    [],
    *([block] for block in ("10.0.5.7/32", "10.0.5.7/16", "52.0.0.0/8", "0.0.0.0/0", "169.254.169.254/32")),
    *([block] for block in ("169.254.0.0/15", "169.252.0.0/14", "169.0.0.0/8", "168.0.0.0/8", "170.0.0.0/7")),
    *(
        [block]
        for block in ("10.0.0.0/33", "256.0.0.0/8", "10.0.0/8", "10.0.0.0", "010.0.0.0/8", "::/0", "", 10)
    ),
    ["10.0.0.0/26", "10.0.0.64/26"],
    ["10.0.0.0/26"] * 2,
]

USER_DATA = [
    *(
        "",
        'settings.motd = "hello"',
        '[settings.kernel.sysctl]\n"vm.swappiness" = "10"\n',
        "# ephemeral-storage\n",
    ),
    "[settings.container-runtime]\nmax-concurrent-downloads = 5\n",
    '[settings.bootstrap-commands.a]\ncommands = [["apiclient","ephemeral-storage","init"]]\nmode = "off"\n',
    '[settings.kubernetes]\ncluster-name = "other"\n',
    "[[a]]\nb = 1\n",
    "[settings\n",
    "a = 1\na = 2\n",
]

POOLS: dict[str, list[Any]] = {
    "namespace": [*NAMES, "default", "kube-system", "null"],
    "customNodes": [
        [],
        *(
            [{"repository": url, "commit": COMMIT}]
            for url in (GIT_NODE["repository"], "http://a.b/c", "a", "")
        ),
        *([{**GIT_NODE, "commit": commit}] for commit in ("main", "", "0" * 40, "0" * 64, "0" * 39, 0, None)),
        *(
            [{**GIT_NODE, "requirements": lines}]
            for lines in ([], ["a"], ["a>=1,<2"], ["-r a"], ["a\n-r b"], [""])
        ),
        [GIT_NODE, GIT_NODE],
        [{}],
        None,
    ],
    "customNodesFile": ["snapshot.json", "", None, "missing.json", "../snapshot.json", "/snapshot.json", 1],
    # Each name once, also in lower case: runtimes of one pool must agree in everything else.
    "extraValues.karpenter.nodePool": [
        *("own", "OWN", "shared", "Large", "a-b", "no", "e5", "null", "true", "x" * 40, "x" * 41),
        *("", "0a", "a.b", "a_b", "-a", "a-", "a b", "\u00e4", None, 1, True),
    ],
    f"{POOL}.labels": LABELS,
    f"{POOL}.annotations": ANNOTATIONS,
    f"{POOL}.capacityType": [{"spot": a, "onDemand": b} for a in (True, False) for b in (True, False)],
    f"{POOL}.instanceType": [
        ["g5.xlarge"],
        ["g6.2xlarge", "g5.2xlarge"],
        [],
        ["g5"],
        ["g5.xlarge"] * 2,
        ["m5.large"],
        ["x.y"],
    ],
    REQUIREMENTS_PATH: REQUIREMENTS,
    TAINTS: TAINT_LISTS,
    f"{POOL}.resourceLimits.cpu": CORES,
    f"{POOL}.resourceLimits.memory": BYTES,
    f"{NODE}.securityGroupSelector": SELECTORS,
    f"{NODE}.subnetSelector": SELECTORS,
    f"{NODE}.tags": TAGS,
    f"{NODE}.capacityReservationSelectorTerms": TERM_LISTS,
    f"{NODE}.osVolume": [{"volumeSize": size} for size in SIZES] + VOLUMES + RATES,
    f"{NODE}.dataVolume": [{"volumeSize": size} for size in SIZES] + VOLUMES + RATES,
    f"{NODE}.userData": USER_DATA,
    f"{POD}.labels": LABELS,
    f"{POD}.annotations": ANNOTATIONS,
    f"{POD}.serviceAccountName": NAMES,
    f"{POD}.scaling": SCALINGS,
    f"{POD}.scaling.extraHPAConfig": BEHAVIORS,
    f"{POD}.scaling.warm": WARM_LISTS,
    f"{API}.modelMountPath": PATHS,
    f"{API}.extraEnv": ENVIRONMENT,
    f"{API}.image": [{"repository": name, "tag": "1"} for name in REPOSITORIES],
    f"{API}.resources": RESOURCES,
    f"{AGENT}.image": [{"repository": name, "tag": "1"} for name in REPOSITORIES],
    f"{AGENT}.extraEnv": ENVIRONMENT,
    f"{AGENT}.resources": RESOURCES,
    f"{API}.commandArguments": [
        *TEXTS,
        ["--a"],
        ["--a", "b c"],
        [],
        "--a 'b c'",
        '--a="b',
        "--port 1",
        ["--listen"],
    ],
    f"{AGENT}.inputBuckets": [["my-inputs"], [], [""], ["My"], ["a" * 64], ["my-inputs"] * 2],
    f"{AGENT}.xray": [{"enabled": True, "daemon": {"image": {"repository": name}}} for name in REPOSITORIES],
    f"{POD}.networkPolicy.egress": [
        {"internet": internet, "cidrs": cidrs} for internet in (True, False) for cidrs in CIDR_LISTS
    ],
    f"{POD}.networkPolicy.egress.dnsServers": [
        *(["172.20.0.10"], ["169.254.20.10", "10.0.0.2"], [], [""], ["172.20.0.10/32"], ["::1"]),
        *(["256.0.0.1"], ["1.2.3.4"] * 2, ["010.0.0.1"], "172.20.0.10", ["localhost"]),
    ],
    f"{POD}.models.files": [
        [path] for path in (*PATHS, "vae/a.pt", "a b.pt", "../a.pt", "a/./b.pt", "a//b.pt", "a/")
    ],
    MODELS: CLAIMS,
    f"{MODELS}.labels": LABELS,
    f"{MODELS}.annotations": ANNOTATIONS,
    f"{MODELS}.existingClaim": NAMES,
    f"{MODELS}.accessModes": ACCESS,
    f"{MODELS}.s3.mountOptions": MOUNT_OPTIONS,
    f"{MODELS}.size": ["1", "2Ti", "1.5Gi", "500m", "0", "2 TB"],
}
NUMBERS: list[Any] = [0, 1, 2, -1, 1.5, 1.0, 2147483647, 2147483648]


def values(path: str) -> list[Any]:
    """The values to try for a key."""
    if path in POOLS:
        return POOLS[path]
    node = OF_RUNTIME[path]
    kinds = node.get("type", "")
    if kinds == "boolean":
        return [True, False, "true", 1]
    if "enum" in node:
        return [*node["enum"], str(node["enum"][0]).swapcase(), ""]
    bounds = [
        node[key] + step
        for key, step in (("minimum", -1), ("minimum", 0), ("maximum", 0), ("maximum", 1))
        if key in node
    ]
    numbers = [*NUMBERS, *bounds] if "integer" in kinds or "number" in kinds else []
    # The chart reads no text of a key without effect.
    short = "pattern" in node or "x-no-effect" in node
    texts = (SHORT_TEXTS if short else TEXTS) if "string" in kinds else []
    examples = [example for example in node.get("examples", []) if not isinstance(example, dict | list)]
    return [*examples, *texts, *numbers]


def covered(path: str) -> bool:
    """Whether a key has values of its own, or is part of one that has."""
    above = [path[:end] for end in range(len(path)) if path[end] in ".["]
    return path in POOLS or any(parent in POOLS for parent in above)


def swept() -> list[tuple[str, Any]]:
    """Each key with each of its values."""
    by_type = [path for path in OF_RUNTIME if not covered(path)]
    return [(path, value) for path in [*POOLS, *by_type] for value in values(path)]


def free_form() -> set[str]:
    """Keys that take any text or any map, by the schema."""
    return {
        path
        for path, node in OF_RUNTIME.items()
        if "x-no-effect" not in node
        and (
            node.get("type") in ("object", "array")
            or ("string" in node.get("type", "") and not {"pattern", "enum"} & node.keys())
        )
    }
