"""Logs and metrics: Fluent Bit, DCGM exporter, monitors of the Prometheus Operator."""

import fnmatch
import json
import re
from typing import Any

import pytest

from generator.solution import names

from .conftest import BASE, RUNTIMES, HelmError, Object, Objects, Render, Values, merged, template

LOGS: Values = {"logs": {"enabled": True, "logGroup": "/sd-on-eks/demo/pods"}}
MONITORS: Values = {"monitors": {"enabled": True, "labels": {"release": "prometheus"}}}
GPUS: Values = {"gpuMetrics": {"enabled": True}}
ON_A_CLUSTER = ("--api-versions", "apiregistration.k8s.io/v1")


def container(objects: Objects, name: str) -> Object:
    [only] = objects[f"DaemonSet/{name}"]["spec"]["template"]["spec"]["containers"]
    return dict(only)


def settings(objects: Objects) -> dict[str, str]:
    """The settings of Fluent Bit by name."""
    text = objects["ConfigMap/log-collector"]["data"]["fluent-bit.conf"]
    pairs = (line.split(maxsplit=1) for line in text.splitlines() if line.startswith("    "))
    return dict(pair for pair in pairs if not pair[0].startswith("#"))


def test_nothing_of_it_is_there_by_default(types: Objects) -> None:
    assert not {"DaemonSet", "Service", "PodMonitor", "ServiceMonitor"} & {
        manifest["kind"] for manifest in types.values()
    }


def test_logs_are_read_on_every_node(render: Render) -> None:
    pod = render(LOGS, one={})["DaemonSet/log-collector"]["spec"]["template"]["spec"]

    assert pod["tolerations"] == [{"operator": "Exists"}]
    assert pod["nodeSelector"] == {"kubernetes.io/os": "linux"}


FILES = {
    "one-6c9f7d5b8d-abcde_default_runtime": True,
    "two-6c9f7d5b8d-abcde_studio_queue-agent": True,
    "karpenter-5d8f-x7_kube-system_controller": True,
    "log-collector-abcde_kube-system_log-collector": False,
    "web-0_shop_nginx": False,
}


@pytest.mark.parametrize(("file", "read"), FILES.items())
def test_only_logs_of_this_release_are_read(render: Render, file: str, read: bool) -> None:
    fluent_bit = settings(render(LOGS, one={}, two={"namespace": "studio"}))
    path = f"/var/log/containers/{file}-{'a' * 64}.log"

    matches = any(fnmatch.fnmatchcase(path, pattern) for pattern in fluent_bit["Path"].split(","))
    excluded = fnmatch.fnmatchcase(path, fluent_bit["Exclude_Path"])
    assert (matches and not excluded) is read


@pytest.mark.parametrize("pod", ["one-6c9f7d5b8d-abcde", "sd-xl-turbo-1-6c9f7d5b8d-abcde"])
def test_the_name_of_a_stream_has_namespace_pod_and_container(render: Render, pod: str) -> None:
    fluent_bit = settings(render(LOGS, one={}))
    expression = re.compile(fluent_bit["Tag_Regex"].replace("(?<", "(?P<"))

    # Fluent Bit matches the whole path.
    match = expression.search(f"/var/log/containers/{pod}_default_queue-agent-{'0a' * 32}.log")

    assert match is not None
    assert match.groupdict() == {"pod": pod, "namespace": "default", "container": "queue-agent"}
    assert fluent_bit["Tag"] == "<namespace>.<pod>.<container>"
    assert fluent_bit["log_stream_prefix"] == names.LOG_STREAM_PREFIX


def test_the_log_group_and_its_role_are_those_of_the_values(render: Render) -> None:
    role = "arn:aws:iam::123456789012:role/demo-log-collector"
    objects = render(merged(LOGS, {"logs": {"serviceAccountRoleArn": role}}), one={})

    assert settings(objects)["log_group_name"] == "/sd-on-eks/demo/pods"
    assert settings(objects)["region"] == "us-west-2"
    assert (
        objects["ServiceAccount/log-collector"]["metadata"]["annotations"]["eks.amazonaws.com/role-arn"]
        == role
    )


def test_the_collector_can_only_read_logs_and_write_its_own_state(render: Render) -> None:
    objects = render(LOGS, one={})
    fluent_bit = container(objects, "log-collector")
    writable = [mount["mountPath"] for mount in fluent_bit["volumeMounts"] if not mount.get("readOnly")]

    assert writable == ["/var/fluent-bit/state"]
    assert settings(objects)["DB"].startswith("/var/fluent-bit/state/")
    assert fluent_bit["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert fluent_bit["securityContext"]["readOnlyRootFilesystem"] is True
    assert (
        objects["DaemonSet/log-collector"]["spec"]["template"]["spec"]["automountServiceAccountToken"]
        is False
    )


def test_no_line_is_dropped_while_cloudwatch_cannot_be_reached(render: Render) -> None:
    assert settings(render(LOGS, one={}))["Retry_Limit"] == "no_limits"


def test_a_new_configuration_restarts_the_collector(render: Render) -> None:
    def checksum(group: str) -> Any:
        daemon_set = render({"logs": {"enabled": True, "logGroup": group}}, one={})["DaemonSet/log-collector"]
        return daemon_set["spec"]["template"]["metadata"]["annotations"]["checksum/config"]

    assert checksum("/a") != checksum("/b")


def test_the_exporter_runs_only_on_nodes_of_the_runtimes_and_takes_no_gpu(render: Render) -> None:
    objects = render(GPUS, one={}, two={})
    pod = objects["DaemonSet/dcgm-exporter"]["spec"]["template"]["spec"]
    [term] = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
        "nodeSelectorTerms"
    ]

    assert term["matchExpressions"] == [
        {"key": "karpenter.sh/nodepool", "operator": "In", "values": ["demo-one", "demo-two"]}
    ]
    pools = {manifest["metadata"]["name"] for manifest in objects.kinds("NodePool")}
    assert pools == {"demo-one", "demo-two"}
    assert "nvidia.com/gpu" not in json.dumps(container(objects, "dcgm-exporter")["resources"])


def test_bottlerocket_gives_the_exporter_the_gpus(render: Render) -> None:
    exporter = container(render(GPUS, one={}), "dcgm-exporter")

    assert {"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"} in exporter["env"]
    assert exporter["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["SYS_ADMIN"]}
    assert "privileged" not in exporter["securityContext"]


def test_a_mirror_has_the_images(render: Render) -> None:
    mirror = {"global": {"imageRegistry": "mirror.example.com/all"}}
    objects = render({**LOGS, **GPUS, **mirror}, one={})

    assert container(objects, "log-collector")["image"].startswith(
        "mirror.example.com/all/aws-observability/aws-for-fluent-bit:"
    )
    assert container(objects, "dcgm-exporter")["image"].startswith(
        "mirror.example.com/all/nvidia/k8s/dcgm-exporter:"
    )


def test_monitors_select_the_pods_and_carry_the_users_labels(render: Render) -> None:
    objects = render({**MONITORS, **GPUS}, one={}, two={"namespace": "studio"})
    pods, service = objects["PodMonitor/sd-runtimes"], objects["ServiceMonitor/dcgm-exporter"]
    pod = objects["Deployment/one"]["spec"]["template"]
    [agent] = [item for item in pod["spec"]["containers"] if item["name"] == "queue-agent"]

    assert pods["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert pods["spec"]["namespaceSelector"] == {"matchNames": ["default", "studio"]}
    assert pods["spec"]["podMetricsEndpoints"][0]["port"] in [port["name"] for port in agent["ports"]]
    exporter = objects["Service/dcgm-exporter"]
    assert service["spec"]["selector"]["matchLabels"].items() <= exporter["metadata"]["labels"].items()
    assert service["spec"]["endpoints"][0]["port"] == exporter["spec"]["ports"][0]["name"]
    assert {manifest["metadata"]["labels"]["release"] for manifest in (pods, service)} == {"prometheus"}


def test_a_users_label_does_not_replace_the_charts(render: Render) -> None:
    labels = {"app.kubernetes.io/part-of": "other"}
    monitor = render({"monitors": {"enabled": True, "labels": labels}}, one={})["PodMonitor/sd-runtimes"]

    assert monitor["metadata"]["labels"]["app.kubernetes.io/part-of"] == "demo"


def test_without_the_exporter_there_is_no_monitor_of_it(render: Render) -> None:
    assert "ServiceMonitor/dcgm-exporter" not in render(MONITORS, one={})


@pytest.mark.parametrize(
    ("top", "message"),
    [
        ({"logs": {"enabled": True}}, "logs.logGroup is empty"),
        ({"logs": {"enabled": True, "logGroup": "a b"}}, "logs.logGroup: .*not a valid name of a log group"),
        ({"monitors": {"labels": {"a": "b c"}}}, 'monitors.labels: "b c" is not a valid value'),
        ({"monitors": {"labels": {"a b": "c"}}}, 'monitors.labels: "a b" is not a valid key'),
    ],
)
def test_what_cannot_work_is_refused(render: Render, top: Values, message: str) -> None:
    with pytest.raises(HelmError, match=message.replace('"', '.?"')):
        render(top, one={})


def test_a_cluster_without_the_crds_is_told_before_anything_is_installed() -> None:
    values = json.dumps(merged(BASE, {**MONITORS, "runtimes": {"one": {}}}))

    with pytest.raises(HelmError, match="install the Prometheus Operator first"):
        template(str(RUNTIMES), values, *ON_A_CLUSTER)
    with_crds = template(
        str(RUNTIMES), values, *ON_A_CLUSTER, "--api-versions", "monitoring.coreos.com/v1/PodMonitor"
    )
    assert "PodMonitor/sd-runtimes" in with_crds
