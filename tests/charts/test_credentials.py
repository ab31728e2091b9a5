"""Credentials: what EKS gives to which container of a pod, and what a pod can reach to get others."""

import copy
import csv
from collections.abc import Callable

import pytest

from .conftest import TYPES, Object, Objects, Render

ROLE = "eks.amazonaws.com/role-arn"
SKIP = "eks.amazonaws.com/skip-containers"


def containers_with_credentials(rendered: Objects, runtime: str, *, pod_identity: bool) -> set[str]:
    """The containers that get a token and the variables of a role.

    pkg/handler/handler.go of https://github.com/aws/amazon-eks-pod-identity-webhook at 3bf80a3: every
    container of a pod, init containers too, but for those that the pod's annotation names, if the service
    account has a role (IRSA) or an association (EKS Pod Identity). Other annotations are not read.
    """
    template = rendered[f"Deployment/{runtime}"]["spec"]["template"]
    account = rendered[f"ServiceAccount/{template['spec']['serviceAccountName']}"]
    if not pod_identity and ROLE not in account["metadata"]["annotations"]:
        return set()
    skipped = next(csv.reader([template["metadata"].get("annotations", {}).get(SKIP, "")]), [])
    spec: Object = template["spec"]
    names = [item["name"] for item in [*spec["containers"], *spec.get("initContainers", [])]]
    return {name for name in names if name not in skipped}


@pytest.mark.parametrize("pod_identity", [False, True])
@pytest.mark.parametrize("name", TYPES)
def test_only_the_agent_gets_aws_credentials(types: Objects, name: str, pod_identity: bool) -> None:
    assert containers_with_credentials(types, name, pod_identity=pod_identity) == {"queue-agent"}


@pytest.mark.parametrize("pod_identity", [False, True])
def test_the_trace_collector_gets_them_too_because_it_writes_to_x_ray(
    with_value: Callable[..., Objects], pod_identity: bool
) -> None:
    rendered = with_value("runtime.queueAgent.xray.enabled", True)
    receivers = containers_with_credentials(rendered, "one", pod_identity=pod_identity)
    assert receivers == {"queue-agent", "trace-collector"}


@pytest.mark.parametrize("text", ["", "queue-agent", "none", "queue-agent,trace-collector"])
def test_no_annotation_of_the_user_gives_them_to_the_runtime(
    with_value: Callable[..., Objects], text: str
) -> None:
    rendered = with_value("runtime.annotations", {SKIP: text, "eks.amazonaws.com/token-expiration": "3600"})
    assert containers_with_credentials(rendered, "one", pod_identity=False) == {"queue-agent"}
    annotations = rendered["Deployment/one"]["spec"]["template"]["metadata"]["annotations"]
    assert annotations["eks.amazonaws.com/token-expiration"] == "3600"


@pytest.mark.parametrize("name", TYPES)
def test_the_containers_of_a_pod_cannot_read_each_others_files_and_processes(
    types: Objects, name: str
) -> None:
    pod = types.pod(name)
    assert not pod.get("shareProcessNamespace")
    assert not pod.get("hostNetwork")
    assert not pod.get("hostPID")
    agent, runtime = (
        {mount["name"] for mount in types.container(name, container)["volumeMounts"]}
        for container in ("queue-agent", "runtime")
    )
    assert not agent & runtime


@pytest.mark.parametrize("name", TYPES)
def test_the_runtimes_own_settings_hold_no_credentials(types: Objects, name: str) -> None:
    variables = types.env(name)
    assert not [key for key in variables if key.startswith("AWS_")]
    assert "envFrom" not in types.container(name, "runtime")


def test_the_model_of_the_webhook_sees_a_runtime_with_credentials(render: Render) -> None:
    rendered = copy.deepcopy(render(one={}))
    del rendered["Deployment/one"]["spec"]["template"]["metadata"]["annotations"][SKIP]
    receivers = containers_with_credentials(rendered, "one", pod_identity=False)
    assert receivers == {"queue-agent", "runtime"}
