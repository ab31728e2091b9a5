"""Pods: who runs in them, as whom, when they start and how they end."""

import json
from collections.abc import Callable

import pytest
from queue_agent.settings import Settings

from generator.facts import reserved

from .conftest import RUNTIMES, TYPES, Objects, Render

RESERVED = reserved.load(RUNTIMES.parent)


@pytest.mark.parametrize("name", TYPES)
def test_a_pod_holds_the_runtime_and_its_agent(types: Objects, name: str) -> None:
    loader = ["model-loader"] if name == "static" else []
    assert [item["name"] for item in types.pod(name)["containers"]] == [*loader, "runtime", "queue-agent"]


@pytest.mark.parametrize("name", TYPES)
def test_every_container_is_restricted(types: Objects, name: str) -> None:
    pod = types.pod(name)
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "runAsGroup": 1000,
        "fsGroup": 1000,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    for container in pod["containers"]:
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


@pytest.mark.parametrize("name", TYPES)
def test_no_pod_holds_a_token_of_the_kubernetes_api(types: Objects, name: str) -> None:
    assert types.pod(name)["automountServiceAccountToken"] is False
    assert types[f"ServiceAccount/{name}"]["automountServiceAccountToken"] is False


@pytest.mark.parametrize("name", TYPES)
def test_the_agent_cannot_write_but_to_its_scratch_folder(types: Objects, name: str) -> None:
    agent = types.container(name, "queue-agent")
    assert agent["securityContext"]["readOnlyRootFilesystem"] is True
    assert [mount["mountPath"] for mount in agent["volumeMounts"]] == ["/tmp"]


def test_a_read_only_root_is_given_up_only_where_a_profile_says_so(types: Objects) -> None:
    read_only = {
        name: types.container(name, "runtime")["securityContext"]["readOnlyRootFilesystem"] for name in TYPES
    }
    assert read_only == {"static": False, "dynamic": False, "comfy": False, "invoke": True, "own": False}


@pytest.mark.parametrize("name", TYPES)
def test_models_are_mounted_read_only(types: Objects, name: str) -> None:
    mounts = {item["name"]: item for item in types.container(name, "runtime")["volumeMounts"]}
    assert mounts["models"] == {"name": "models", "mountPath": "/opt/ml/code/models", "readOnly": True}
    volumes = {item["name"]: item for item in types.pod(name)["volumes"]}
    assert volumes["models"]["persistentVolumeClaim"] == {"claimName": f"{name}-models", "readOnly": True}


@pytest.mark.parametrize("name", TYPES)
def test_every_mount_has_a_volume_and_a_place_of_its_own(types: Objects, name: str) -> None:
    volumes = {item["name"] for item in types.pod(name)["volumes"]}
    for container in types.pod(name)["containers"]:
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
        places = [mount["mountPath"] for mount in container["volumeMounts"]]
        assert len(places) == len(set(places))


@pytest.mark.parametrize("name", TYPES)
def test_a_slow_start_has_half_an_hour(types: Objects, name: str) -> None:
    probe = types.container(name, "runtime")["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] == 1800


@pytest.mark.parametrize("name", TYPES)
def test_no_probe_gives_a_busy_program_less_than_five_seconds(types: Objects, name: str) -> None:
    probes = [
        container[probe]["timeoutSeconds"]
        for container in types.pod(name)["containers"]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe")
        if probe in container
    ]
    assert len(probes) == 5
    assert min(probes) >= 5


@pytest.mark.parametrize("name", TYPES)
def test_the_agent_tells_within_a_minute_whether_the_runtime_must_be_restarted(
    types: Objects, name: str
) -> None:
    probe = types.container(name, "runtime")["livenessProbe"]
    assert probe["httpGet"] == {"path": "/runtime/healthz", "port": 8081}
    assert probe["periodSeconds"] * probe["failureThreshold"] == 60


def test_a_runtime_that_works_may_be_silent_for_five_minutes() -> None:
    assert Settings.__dataclass_fields__["restart_after_seconds"].default == 300


@pytest.mark.parametrize("name", TYPES)
def test_a_restart_of_the_runtime_does_not_wait_for_the_hook_that_waits_for_the_last_task(
    types: Objects, name: str
) -> None:
    assert types.container(name, "runtime")["livenessProbe"]["terminationGracePeriodSeconds"] == 30


# Paths that answer truly. InvokeAI answers 200 to every path that it does not know.
PATHS = {
    "static": "/sdapi/v1/progress?skip_current_image=true",
    "comfy": "/prompt",
    "invoke": "/api/v1/queue/default/status",
    "own": "/alive",
}


@pytest.mark.parametrize("name", PATHS)
def test_probes_ask_what_can_be_answered_truly(types: Objects, name: str) -> None:
    runtime = types.container(name, "runtime")
    probes = [runtime[probe]["httpGet"] for probe in ("startupProbe", "readinessProbe")]
    assert probes == [{"path": PATHS[name], "port": "runtime"}] * 2


def test_the_runtime_waits_for_the_agent_to_drain(types: Objects) -> None:
    for name in TYPES:
        hook = types.container(name, "runtime")["lifecycle"]["preStop"]
        assert hook == {"httpGet": {"path": "/drained", "port": 8081}}


@pytest.mark.parametrize("seconds", [60, 1800, 43140])
def test_the_longest_task_fits_the_grace_period(with_value: Callable[..., Objects], seconds: int) -> None:
    rendered = with_value("runtime.queueAgent.taskTimeoutSeconds", seconds)
    assert rendered.pod("one")["terminationGracePeriodSeconds"] == seconds + 60
    assert rendered.agent("one")["TASK_TIMEOUT_SECONDS"] == str(seconds)
    assert rendered.agent("one")["SHUTDOWN_GRACE_SECONDS"] == str(seconds + 45)


def test_a_rollout_needs_no_more_gpus_than_there_are(types: Objects) -> None:
    assert types["Deployment/static"]["spec"]["strategy"] == {
        "rollingUpdate": {"maxSurge": 0, "maxUnavailable": "25%"}
    }


def test_pods_run_on_the_nodes_of_their_runtime_alone(types: Objects) -> None:
    pod = types.pod("static")
    assert pod["nodeSelector"] == {"karpenter.sh/nodepool": "demo-static"}
    assert "NodePool/demo-static" in types
    assert pod["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
        {"key": "runtime", "operator": "Equal", "value": "static", "effect": "NoSchedule"},
    ]


def test_pods_tolerate_every_taint_of_their_nodes(with_value: Callable[..., Objects]) -> None:
    taints = [{"key": "team", "value": "art", "effect": "NoExecute"}, {"key": "x", "effect": "NoSchedule"}]
    rendered = with_value("karpenter.provisioner.extraTaints", taints)
    on_nodes = rendered["NodePool/demo-one"]["spec"]["template"]["spec"]["taints"]
    tolerated = {
        (item["key"], item.get("value"), item["effect"]) for item in rendered.pod("one")["tolerations"]
    }
    assert len(on_nodes) == 4
    for taint in on_nodes[1:]:
        assert (taint["key"], taint.get("value", ""), taint["effect"]) in tolerated


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("path", "value", "rolls"),
    [
        ("runtime.queueAgent.maxAttempts", 3, True),
        ("runtime.queueAgent.inputBuckets", ["more"], True),
        ("runtime.inferenceApi.modelMountPath", "/models", True),
        ("runtime.scaling.maxReplicaCount", 3, False),
        ("karpenter.provisioner.instanceType", ["g5.xlarge"], False),
    ],
)
def test_pods_roll_when_their_settings_change_and_only_then(
    with_value: Callable[..., Objects], render: Render, path: str, value: object, rolls: bool
) -> None:
    before, after = (
        json.dumps(item["Deployment/one"]["spec"]["template"])
        for item in (render(one={}), with_value(path, value))
    )
    assert (before != after) is rolls


def test_the_selector_holds_two_labels_that_no_value_changes(render: Render) -> None:
    labels = {"app.kubernetes.io/instance": "other", "app.kubernetes.io/name": "x", "team": "art"}
    rendered = render(one={"runtime": {"labels": labels}})
    deployment = rendered["Deployment/one"]["spec"]
    expected = {"app.kubernetes.io/name": "sd-runtime", "app.kubernetes.io/instance": "one"}
    assert deployment["selector"]["matchLabels"] == expected
    in_pod = deployment["template"]["metadata"]["labels"]
    assert {**in_pod, **expected} == in_pod
    assert in_pod["team"] == "art"


def test_only_metrics_can_be_reached_and_only_dns_and_https_called(types: Objects) -> None:
    policy = types["NetworkPolicy/static"]["spec"]
    selected = types["Deployment/static"]["spec"]["template"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"].items() <= selected.items()
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert [port["port"] for rule in policy["ingress"] for port in rule["ports"]] == [8081]
    assert [port["port"] for rule in policy["egress"] for port in rule["ports"]] == [53, 53, 443]


def test_the_service_account_names_its_role(types: Objects, with_value: Callable[..., Objects]) -> None:
    assert types["ServiceAccount/static"]["metadata"]["annotations"] == {
        "eks.amazonaws.com/sts-regional-endpoints": "true",
        "eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/demo-runtime",
    }
    renamed = with_value("runtime.serviceAccountName", "runtime-sa")
    assert "ServiceAccount/runtime-sa" in renamed
    assert renamed.pod("one")["serviceAccountName"] == "runtime-sa"


def test_the_agent_gets_every_address_by_its_environment(types: Objects) -> None:
    assert types.agent("static") == {
        "AGENT_PORT": "8081",
        "AWS_DEFAULT_REGION": "us-west-2",
        "AWS_REGION": "us-west-2",
        "DEAD_LETTER_QUEUE_URL": "https://sqs.us-west-2.amazonaws.com/123456789012/demo-dead",
        "INPUT_BUCKETS": "",
        "MAX_ATTEMPTS": "5",
        "AGENT_HOST": "0.0.0.0",
        "MODEL_FILENAME": "sdxl.safetensors",
        "RUNTIME_NAME": "static",
        "RUNTIME_TYPE": "sdwebui",
        "RUNTIME_URL": "http://127.0.0.1:8080",
        "S3_BUCKET": "demo-pictures",
        "SHUTDOWN_GRACE_SECONDS": "1845",
        "SNS_TOPIC_ARN": "arn:aws:sns:us-west-2:123456789012:demo-results",
        "SQS_QUEUE_URL": "https://sqs.us-west-2.amazonaws.com/123456789012/demo-one",
        "TASK_TIMEOUT_SECONDS": "1800",
    }


def test_the_agent_of_a_comfyui_knows_the_image_of_its_runtime(types: Objects) -> None:
    [name] = [name for name in TYPES if types.agent(name)["RUNTIME_TYPE"] == "comfyui"]
    container = next(
        container
        for container in types[f"Deployment/{name}"]["spec"]["template"]["spec"]["containers"]
        if container["name"] not in ("queue-agent", "trace-collector")
    )

    assert types.agent(name)["RUNTIME_IMAGE"] == container["image"]


def test_what_the_chart_sets_itself_is_what_the_rules_reserve(types: Objects, render: Render) -> None:
    second = {"queueAgent": {"highPriorityQueueUrl": "https://sqs.us-west-2.amazonaws.com/123456789012/h"}}
    names = set().union(*(types.agent(name) for name in TYPES), render(one={"runtime": second}).agent("one"))
    templates = [types[f"Deployment/{name}"]["spec"]["template"]["metadata"] for name in TYPES]
    labels = {key for metadata in templates for key in metadata["labels"]}
    labels |= {key for name in TYPES for key in types[f"Deployment/{name}"]["metadata"]["labels"]}
    taints = [
        taint
        for name in TYPES
        for taint in types[f"NodePool/demo-{name}"]["spec"]["template"]["spec"]["taints"]
    ]

    assert names == RESERVED.agent_environment.keys()
    assert labels == RESERVED.labels
    assert {(taint["key"], taint["effect"]) for taint in taints} == {
        (key, "NoSchedule") for key in RESERVED.node_taints
    }


@pytest.mark.parametrize("name", TYPES)
def test_pods_name_only_config_maps_that_are_rendered(types: Objects, name: str) -> None:
    pod = types.pod(name)
    sources = [
        item["configMapRef"]["name"]
        for container in pod["containers"]
        for item in container.get("envFrom", [])
    ]
    mounted = [item["configMap"]["name"] for item in pod["volumes"] if "configMap" in item]
    assert (sources, mounted) == ([f"{name}-agent"], [f"{name}-runtime"])
    assert {f"ConfigMap/{item}" for item in (*sources, *mounted)} <= types.keys()


@pytest.mark.parametrize("name", TYPES)
def test_every_scratch_folder_is_bounded(types: Objects, name: str) -> None:
    volumes = types.pod(name)["volumes"]
    scratch = {item["name"]: item["emptyDir"] for item in volumes if "emptyDir" in item}
    assert scratch
    assert [name for name, volume in scratch.items() if "sizeLimit" not in volume] == []


def test_an_extra_variable_wins_over_what_the_chart_sets(render: Render) -> None:
    extra = {"INVOKEAI_LOG_FORMAT": "legacy", "A": 1, "B": True}
    rendered = render(one={"type": "invokeai", "runtime": {"inferenceApi": {"extraEnv": extra}}})
    env = rendered.env("one")
    assert (env["INVOKEAI_LOG_FORMAT"], env["A"], env["B"]) == ("legacy", "1", "true")
