"""A node pool that several runtimes share: one for all of them, whose nodes take the pods of each."""

from typing import Any

import pytest

from .conftest import TYPES, Objects, Render, Values, merged, nested
from .pool_cases import in_pool


@pytest.fixture(scope="module")
def rendered(render: Render) -> Objects:
    """Three runtimes of different types share a pool; one has its own."""
    shared = {name: merged(TYPES[name], in_pool("shared")) for name in ("static", "comfy", "invoke")}
    return render(**shared, alone={})


def tolerated(pod: dict[str, Any], taint: dict[str, Any]) -> bool:
    """Whether Kubernetes lets a pod run on a node with this taint."""
    return any(
        toleration["key"] == taint["key"]
        and toleration["effect"] == taint["effect"]
        and (toleration["operator"] == "Exists" or toleration["value"] == taint.get("value", ""))
        for toleration in pod["tolerations"]
    )


def test_runtimes_share_one_pool_and_one_class(rendered: Objects) -> None:
    for kind in ("NodePool", "EC2NodeClass"):
        assert [item["metadata"]["name"] for item in rendered.kinds(kind)] == ["demo-alone", "demo-shared"]
    reference = rendered["NodePool/demo-shared"]["spec"]["template"]["spec"]["nodeClassRef"]
    assert reference["name"] == "demo-shared"


@pytest.mark.parametrize("pool", ["demo-shared", "demo-alone"])
def test_a_node_takes_the_pods_of_its_pool_and_no_others(rendered: Objects, pool: str) -> None:
    taints = rendered[f"NodePool/{pool}"]["spec"]["template"]["spec"]["taints"]
    pods = {name: rendered.pod(name) for name in ("static", "comfy", "invoke", "alone")}
    taken = {name for name, pod in pods.items() if all(tolerated(pod, taint) for taint in taints)}
    selected = {name for name, pod in pods.items() if pod["nodeSelector"] == {"karpenter.sh/nodepool": pool}}
    assert taken == selected == ({"alone"} if pool == "demo-alone" else {"static", "comfy", "invoke"})


def test_a_draining_node_waits_for_the_longest_task_of_its_runtimes(render: Render) -> None:
    timeouts = {"a": 60, "b": 7200, "c": 1800}
    objects = render(
        **{
            name: merged(in_pool("shared"), nested("runtime.queueAgent.taskTimeoutSeconds", seconds))
            for name, seconds in timeouts.items()
        }
    )
    node = objects["NodePool/demo-shared"]["spec"]["template"]["spec"]["terminationGracePeriod"]
    longest = max(objects.pod(name)["terminationGracePeriodSeconds"] for name in timeouts)
    assert int(node.removesuffix("s")) == longest + 600


def test_shared_nodes_are_of_no_one_runtime(rendered: Objects) -> None:
    own, shared = (rendered[f"EC2NodeClass/demo-{name}"] for name in ("alone", "shared"))
    assert own["spec"]["tags"] == {"stack": "demo", "runtime": "alone"}
    assert shared["spec"]["tags"] == {"stack": "demo"}
    instances = [item["metadata"]["labels"]["app.kubernetes.io/instance"] for item in (own, shared)]
    assert instances == ["alone", "shared"]


def test_labels_of_a_runtime_are_not_on_the_shared_pool(render: Render) -> None:
    labelled = merged(in_pool("shared"), nested("runtime.labels", {"team": "film"}))
    objects = render(a=labelled, b=in_pool("shared"))
    assert "team" not in objects["NodePool/demo-shared"]["metadata"]["labels"]
    assert objects["Deployment/a"]["metadata"]["labels"]["team"] == "film"


def test_volumes_stay_those_of_the_runtimes(rendered: Objects) -> None:
    names = {item["metadata"]["name"] for item in rendered.kinds("PersistentVolume")}
    assert names == {"demo-static", "demo-comfy", "demo-invoke", "demo-alone"}


def test_the_gpu_exporter_runs_on_the_nodes_of_each_pool(render: Render) -> None:
    objects = render({"gpuMetrics": {"enabled": True}}, a=in_pool("shared"), b=in_pool("shared"), c={})
    affinity = objects["DaemonSet/dcgm-exporter"]["spec"]["template"]["spec"]["affinity"]["nodeAffinity"]
    [term] = affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term["matchExpressions"] == [
        {"key": "karpenter.sh/nodepool", "operator": "In", "values": ["demo-c", "demo-shared"]}
    ]


def test_one_default_makes_all_runtimes_share(render: Render) -> None:
    defaults: Values = nested("karpenter.nodePool", "shared")
    objects = render({"defaults": defaults}, a={}, b={}, c=in_pool("own"))
    assert {item["metadata"]["name"] for item in objects.kinds("NodePool")} == {"demo-c", "demo-shared"}


@pytest.mark.parametrize("name", ["own", None])
def test_without_the_name_of_a_pool_each_runtime_has_its_own(render: Render, name: str | None) -> None:
    pool = {} if name is None else in_pool(name)
    objects = render(a=pool, b=pool)
    assert {item["metadata"]["name"] for item in objects.kinds("NodePool")} == {"demo-a", "demo-b"}
