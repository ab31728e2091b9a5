"""Nodes of EKS Auto Mode: a NodeClass of AWS, in an existing cluster."""

import jsonschema
import pytest

from generator.facts.auto_mode import load
from generator.solution import limits

from .auto_mode_cases import AUTO_MODE
from .conftest import ROOT, Object, Objects, Render, Values, merged, nested
from .rules import SPECS

NODE = "karpenter.nodeTemplate"
SHORT_LIVED = nested("karpenter.provisioner.disruption.expireAfter", "336h")
KEY = "arn:aws:kms:us-west-2:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
FULL: Values = {
    "karpenter": {
        "provisioner": {
            "labels": {"team": "art"},
            "extraRequirements": [
                {"key": "eks.amazonaws.com/instance-gpu-memory", "operator": "Gt", "values": ["22000"]}
            ],
        },
        "nodeTemplate": {
            "tags": {"team": "art"},
            "capacityReservationSelectorTerms": [
                {"id": "cr-0123456789abcdef0"},
                {"tags": {"team": "*"}, "ownerID": "210987654321"},
            ],
            "dataVolume": {"volumeSize": "200Gi", "iops": 4000, "throughput": 1000},
            "subnetSelector": {"tier": "gpu"},
            "securityGroupSelector": {"Name": "gpu"},
        },
    }
}


def auto(render: Render, one: Values | None = None) -> Objects:
    top = {"global": {**AUTO_MODE, "volumeKmsKeyArn": KEY}, "defaults": SHORT_LIVED}
    return render(top, one=one or {})


def node_class(objects: Objects) -> Object:
    return objects["NodeClass/demo-one"]


def test_each_runtime_has_a_node_class_of_aws_and_no_ec2_node_class(render: Render) -> None:
    objects = auto(render)

    assert node_class(objects)["apiVersion"] == "eks.amazonaws.com/v1"
    assert objects.kinds("EC2NodeClass") == []
    assert objects["NodePool/demo-one"]["spec"]["template"]["spec"]["nodeClassRef"] == {
        "group": "eks.amazonaws.com",
        "kind": "NodeClass",
        "name": "demo-one",
    }


def test_other_clusters_have_no_node_class_of_aws(render: Render) -> None:
    assert render(one={}).kinds("NodeClass") == []


@pytest.mark.parametrize("values", [{}, FULL], ids=["defaults", "everything"])
def test_the_crds_take_every_field(render: Render, values: Values) -> None:
    objects = auto(render, one=values)

    jsonschema.validate(node_class(objects)["spec"], SPECS["NodeClass"])
    jsonschema.validate(objects["NodePool/demo-one"]["spec"], SPECS["NodePool"])


def test_the_crd_of_the_node_class_refuses_a_field_of_the_other(render: Render) -> None:
    spec = node_class(auto(render))["spec"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**spec, "amiSelectorTerms": []}, SPECS["NodeClass"])


def test_values_of_the_nodes_reach_the_node_class(render: Render) -> None:
    spec = node_class(auto(render, one=FULL))["spec"]

    assert spec == {
        "role": "demo-karpenter-node",
        "subnetSelectorTerms": [{"tags": {"tier": "gpu"}}],
        "securityGroupSelectorTerms": [{"tags": {"Name": "gpu"}}],
        "capacityReservationSelectorTerms": [
            {"id": "cr-0123456789abcdef0"},
            {"tags": {"team": "*"}, "owner": "210987654321"},
        ],
        "tags": {"team": "art"},
        "ephemeralStorage": {"size": "200Gi", "iops": 4000, "throughput": 1000, "kmsKeyID": KEY},
    }


def test_without_tags_of_the_user_no_tag_needs_a_permission_of_the_cluster(render: Render) -> None:
    assert "tags" not in node_class(auto(render))["spec"]


def test_nodes_are_found_by_the_name_of_the_cluster(render: Render) -> None:
    spec = node_class(auto(render))["spec"]

    assert spec["subnetSelectorTerms"][0]["tags"]["karpenter.sh/discovery"] == "platform"
    assert spec["securityGroupSelectorTerms"] == [{"tags": {"aws:eks:cluster-name": "platform"}}]


def test_no_requirement_has_a_label_that_nodes_lack(render: Render) -> None:
    spec = auto(render)["NodePool/demo-one"]["spec"]["template"]["spec"]
    facts = load(ROOT / "charts")

    keys = [requirement["key"] for requirement in spec["requirements"]]
    assert "eks.amazonaws.com/instance-local-nvme" in keys
    assert [key for key in keys if not facts.has_label(key)] == []


@pytest.mark.parametrize("expiry", ["503h48m", "30228m", "1s"])
def test_the_longest_lifetime_is_accepted(render: Render, expiry: str) -> None:
    lifetime = nested("karpenter.provisioner.disruption.expireAfter", expiry)
    timeout = nested("runtime.queueAgent.taskTimeoutSeconds", 60)

    assert auto(render, one=merged(lifetime, timeout))


def test_a_node_drains_as_long_as_validate_counts(render: Render) -> None:
    spec = render(one={})["NodePool/demo-one"]["spec"]["template"]["spec"]

    assert spec["terminationGracePeriod"] == f"{1800 + limits.DRAIN_SECONDS}s"
