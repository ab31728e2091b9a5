"""Which changes of a template replace a resource, and what is lost with it."""

from typing import Any

from generator import yaml_loader
from generator.deploy import template_changes
from generator.facts.replacement import CREATE_ONLY
from testing import cfn_lint, solving
from tests.deploy.conftest import MakeBench


def template(**resources: dict[str, Any]) -> dict[str, Any]:
    return {"Resources": resources}


def queue(name: str, **more: Any) -> dict[str, Any]:
    return {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": name, **more}}


def test_a_property_that_can_change_replaces_nothing() -> None:
    assert template_changes.changes(template(Q=queue("a", Tags=[1])), template(Q=queue("a", Tags=[2]))) == []


def test_a_new_name_replaces_and_loses_what_the_template_does_not_keep() -> None:
    after = queue("b")

    [lost] = template_changes.changes(template(Q=queue("a")), template(Q=after))
    [kept] = template_changes.changes(
        template(Q=queue("a")), template(Q=after | {"UpdateReplacePolicy": "Retain"})
    )

    assert str(lost) == "~ AWS::SQS::Queue a (QueueName, replaced)"
    assert (lost.loses_data, kept.loses_data) == (True, False)


def test_what_hangs_on_a_replaced_resource_is_replaced_with_it() -> None:
    topic = {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "t"}}
    hook = {
        "Type": "AWS::SNS::Subscription",
        "Properties": {"TopicArn": {"Ref": "T"}, "Endpoint": {"Fn::GetAtt": ["Q", "Arn"]}, "Protocol": "sqs"},
    }

    rows = template_changes.changes(
        template(Q=queue("a"), T=topic, S=hook), template(Q=queue("b"), T=topic, S=hook)
    )

    assert [(row.logical_id, row.properties) for row in rows] == [("Q", ("QueueName",)), ("S", ("Endpoint",))]


def test_another_type_under_the_same_id_is_a_replacement() -> None:
    [row] = template_changes.changes(template(Q=queue("a")), template(Q={"Type": "AWS::SNS::Topic"}))

    assert row.loses


def test_the_properties_that_cannot_change_are_those_of_the_providers_schemas(bench: MakeBench) -> None:
    files = solving.built(bench("one").job.solution)
    kinds = {
        resource["Type"]
        for path in ("stack.yaml", "network.yaml")
        for resource in yaml_loader.load(files[path])["Resources"].values()
    }
    fixed = {kind: fixed_properties(kind) for kind in kinds}

    assert {kind: names for kind, names in fixed.items() if names} == CREATE_ONLY


def fixed_properties(kind: str) -> frozenset[str]:
    schema = cfn_lint.resource_schema(kind)
    return frozenset(path.split("/")[2] for path in schema.get("createOnlyProperties", ()))
