"""What must hold of every generated CloudFormation template, including what an emulator would accept."""

import json
import re
from typing import Any

import pytest
from queue_agent.task.protocol import ASSETS_FOLDER, MAX_DELIVERIES, RECORDS_FOLDER, WEBHOOK_ATTRIBUTE

from generator.build import stack
from generator.solution import limits, names
from generator.solution.model import Solution
from testing import cfn_lint
from tests.cluster.conftest import ROOT, Resolve
from tests.cluster.stack_template import Template

EXAMPLES = sorted(path.stem for path in (ROOT / "examples").glob("*.yaml"))
QUEUE, BUCKET, TOPIC = "AWS::SQS::Queue", "AWS::S3::Bucket", "AWS::SNS::Topic"
POLICIES = {
    QUEUE: ("AWS::SQS::QueuePolicy", "Queues"),
    TOPIC: ("AWS::SNS::TopicPolicy", "Topics"),
    BUCKET: ("AWS::S3::BucketPolicy", "Bucket"),
}


@pytest.fixture(scope="module", params=EXAMPLES)
def solution(request: pytest.FixtureRequest, solution_of: Resolve) -> Solution:
    return solution_of(request.param)


@pytest.fixture(scope="module")
def template(solution: Solution) -> Template:
    return Template(stack.files(solution)["stack.yaml"])


def encryption(resource: dict[str, Any]) -> dict[str, Any]:
    """The properties of a queue or topic that encrypt it."""
    names = ("SqsManagedSseEnabled", "KmsMasterKeyId")
    return {name: resource["Properties"][name] for name in names if name in resource["Properties"]}


@pytest.mark.thorough
def test_everything_is_encrypted_with_keys_that_sns_can_use(template: Template, solution: Solution) -> None:
    if solution.keys.messages or solution.keys.outputs:
        pytest.skip("the example has customer managed keys")
    for queue in template.of(QUEUE).values():
        assert encryption(queue) == {"SqsManagedSseEnabled": True}
    for bucket in template.of(BUCKET).values():
        [rule] = bucket["Properties"]["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}


def test_everything_is_encrypted_with_the_keys_of_the_config(solution_of: Resolve) -> None:
    solution = solution_of("customer-keys")
    template = Template(stack.files(solution)["stack.yaml"])

    encrypted = [*template.of(QUEUE).values(), *template.of(TOPIC).values()]
    assert len(encrypted) == 8
    for resource in encrypted:
        assert encryption(resource) == {"KmsMasterKeyId": solution.keys.messages}
    [bucket] = template.of(BUCKET).values()
    [rule] = bucket["Properties"]["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule == {
        "ServerSideEncryptionByDefault": {
            "SSEAlgorithm": "aws:kms",
            "KMSMasterKeyID": solution.keys.outputs,
        },
        "BucketKeyEnabled": True,
    }


def test_each_key_is_for_its_own_purpose(solution_of: Resolve) -> None:
    keys = {"outputs": solution_of("customer-keys").keys.outputs}
    template = Template(stack.files(solution_of("customer-keys", kmsKeys=keys))["stack.yaml"])

    for queue in template.of(QUEUE).values():
        assert encryption(queue) == {"SqsManagedSseEnabled": True}
    for topic in template.of(TOPIC).values():
        assert encryption(topic) == {}


@pytest.mark.thorough
def test_no_bucket_can_be_made_public(template: Template) -> None:
    for bucket in template.of(BUCKET).values():
        assert set(bucket["Properties"]["PublicAccessBlockConfiguration"].values()) == {True}
        assert len(bucket["Properties"]["PublicAccessBlockConfiguration"]) == 4
        assert bucket["Properties"]["OwnershipControls"]["Rules"] == [
            {"ObjectOwnership": "BucketOwnerEnforced"}
        ]


def test_nothing_is_allowed_to_everybody(template: Template) -> None:
    allowed = [
        statement
        for statement in template.statements()
        if statement["Effect"] == "Allow" and "Principal" in statement
    ]

    assert allowed
    assert all("*" not in json.dumps(statement["Principal"]) for statement in allowed)


@pytest.mark.parametrize("kind", [QUEUE, TOPIC, BUCKET])
def test_unencrypted_transport_is_refused_everywhere(template: Template, kind: str) -> None:
    policy_kind, key = POLICIES[kind]
    covered = set()
    for policy in template.of(policy_kind).values():
        [deny] = [
            statement
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]
            if statement["Effect"] == "Deny"
        ]
        assert deny["Principal"] == "*"
        assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        target = policy["Properties"][key]
        [reference] = target if isinstance(target, list) else [target]
        covered.add(reference["Ref"])

    assert covered == set(template.of(kind))


def test_only_the_requests_topic_may_fill_a_queue(template: Template, solution: Solution) -> None:
    queues = {
        arn for runtime in solution.runtimes for arn in (runtime.queue.arn, runtime.dead_letter_queue.arn)
    }
    for policy in template.of("AWS::SQS::QueuePolicy").values():
        [allow] = [
            statement
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]
            if statement["Effect"] == "Allow"
        ]
        assert allow["Action"] == "sqs:SendMessage"
        if isinstance(allow["Resource"], str):
            queues.remove(allow["Resource"])
            assert allow["Principal"] == {"Service": "sns.amazonaws.com"}
            assert allow["Condition"] == {"ArnEquals": {"aws:SourceArn": solution.requests_topic_arn}}
    assert not queues


def test_what_holds_work_outlives_the_stack(template: Template) -> None:
    for name, resource in (template.of(QUEUE) | template.of(BUCKET)).items():
        policies = [resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy")]
        # What webhooks tell is in the bucket.
        ends = name == "InterruptionQueue" or name.startswith("Webhooks")
        assert policies == ([None] * 2 if ends else ["RetainExceptOnCreate", "Retain"])


def test_a_task_has_time_in_the_dead_letter_queue_even_when_sqs_moved_it_at_the_last_moment(
    template: Template,
) -> None:
    queues = template.of(QUEUE)
    for name in (name for name in queues if f"{name.removesuffix('Queue')}DeadLetterQueue" in queues):
        dead = queues[f"{name.removesuffix('Queue')}DeadLetterQueue"]["Properties"]
        alive = queues[name]["Properties"]
        assert dead["MessageRetentionPeriod"] - alive["MessageRetentionPeriod"] >= 4 * 86_400
        redrive = alive["RedrivePolicy"]["deadLetterTargetArn"]
        assert redrive == {"Fn::GetAtt": [f"{name.removesuffix('Queue')}DeadLetterQueue", "Arn"]}


def test_queues_hold_a_task_longer_than_it_may_run(template: Template, solution: Solution) -> None:
    queues = {queue["Properties"]["QueueName"]: queue["Properties"] for queue in template.of(QUEUE).values()}
    for runtime in solution.runtimes:
        queue = queues[runtime.queue.name]
        assert queue["VisibilityTimeout"] == runtime.task_timeout_seconds + 60
        assert queue["ReceiveMessageWaitTimeSeconds"] == 20
        # A little later than the delivery in which the agent announces that the task has failed.
        assert MAX_DELIVERIES + 5 < queue["RedrivePolicy"]["maxReceiveCount"] <= 1000


def test_records_of_tasks_are_expired_but_never_pictures(template: Template) -> None:
    for bucket in template.of(BUCKET).values():
        rules = bucket["Properties"]["LifecycleConfiguration"]["Rules"]
        expiring = [rule for rule in rules if "ExpirationInDays" in rule]
        assert [rule["Prefix"] for rule in expiring] == [f"{RECORDS_FOLDER}/", f"{ASSETS_FOLDER}/"]
        # A task may be in the queue and then in the dead-letter queue, and be asked for all the while.
        assert all(rule["ExpirationInDays"] >= 24 for rule in expiring)
        assert any("AbortIncompleteMultipartUpload" in rule for rule in rules)


def test_names_are_those_of_the_config(template: Template, solution: Solution) -> None:
    queues = {queue["Properties"]["QueueName"] for queue in template.of(QUEUE).values()}
    buckets = {bucket["Properties"]["BucketName"] for bucket in template.of(BUCKET).values()}
    topics = {topic["Properties"]["TopicName"] for topic in template.of(TOPIC).values()}

    expected = {
        name for runtime in solution.runtimes for name in (runtime.queue.name, runtime.dead_letter_queue.name)
    }
    stack_name = solution.stack
    shared = {names.webhooks(stack_name), names.webhooks_dead_letter(stack_name)}
    assert queues == expected | shared | {names.interruption_queue(stack_name)}
    assert buckets == {runtime.output_bucket for runtime in solution.runtimes}
    assert {
        topic.rpartition(":")[2] for topic in (solution.requests_topic_arn, solution.results_topic_arn)
    } < topics


def test_every_taggable_resource_is_tagged(template: Template, solution: Solution) -> None:
    for name, resource in template.resources.items():
        schema = cfn_lint.resource_schema(resource["Type"])
        if "Tags" in schema["properties"]:
            tags = {tag["Key"]: tag["Value"] for tag in resource["Properties"]["Tags"]}
            assert {**solution.tags, names.STACK_TAG: solution.stack}.items() <= tags.items(), name


def test_each_runtime_is_subscribed_to_what_names_it(template: Template, solution: Solution) -> None:
    filters = {
        subscription["Properties"]["Endpoint"]["Fn::GetAtt"][0]: subscription["Properties"]["FilterPolicy"]
        for subscription in template.of("AWS::SNS::Subscription").values()
    }
    queues = {name: queue["Properties"]["QueueName"] for name, queue in template.of(QUEUE).items()}
    by_queue = {queues[name]: policy for name, policy in filters.items()}

    for runtime in solution.runtimes:
        policy = by_queue[runtime.queue.name]
        if runtime.type == "sdwebui" and runtime.model_filename:
            expected = [{"runtime": [runtime.name]}, {"sd_model_checkpoint": [runtime.model_filename]}]
            assert policy == {"$or": expected}
        else:
            assert policy == {"runtime": [runtime.name]}


def to_requests(template: Template) -> list[dict[str, Any]]:
    """The subscriptions of the requests topic."""
    every = [entry["Properties"] for entry in template.of("AWS::SNS::Subscription").values()]
    return [entry for entry in every if entry["TopicArn"] == {"Ref": "RequestsTopic"}]


def test_only_results_of_tasks_with_a_webhook_reach_its_queue(template: Template) -> None:
    [subscription] = [
        entry["Properties"]
        for entry in template.of("AWS::SNS::Subscription").values()
        if entry["Properties"]["TopicArn"] == {"Ref": "ResultsTopic"}
    ]

    assert subscription["FilterPolicy"] == {WEBHOOK_ATTRIBUTE: [{"exists": True}]}
    assert subscription["Endpoint"] == {"Fn::GetAtt": ["WebhooksQueue", "Arn"]}


def test_a_webhook_is_hidden_until_its_function_must_have_ended(template: Template) -> None:
    function = template.of("AWS::Lambda::Function")["WebhooksFunction"]["Properties"]
    queue = template.of(QUEUE)["WebhooksQueue"]["Properties"]

    assert queue["VisibilityTimeout"] >= 6 * function["Timeout"]
    assert queue["RedrivePolicy"]["maxReceiveCount"] == limits.WEBHOOK_ATTEMPTS


def test_a_v1alpha1_task_goes_to_one_runtime_when_two_have_its_model(solution_of: Resolve) -> None:
    twins = [{"name": name, "type": "sdwebui", "modelFilename": "m.safetensors"} for name in ("a", "b")]

    template = Template(stack.files(solution_of("minimal", modelsRuntime=twins))["stack.yaml"])

    policies = [subscription["FilterPolicy"] for subscription in to_requests(template)]
    assert [json.dumps(policy).count("m.safetensors") for policy in policies] == [1, 0]


def test_a_v1alpha1_task_for_the_checkpoint_of_a_dynamic_runtime_goes_there(solution_of: Resolve) -> None:
    runtime = {"name": "any", "type": "sdwebui", "modelFilename": "my model.ckpt", "dynamicModel": True}

    template = Template(stack.files(solution_of("minimal", modelsRuntime=[runtime]))["stack.yaml"])

    [subscription] = to_requests(template)
    expected = [{"runtime": ["any"]}, {"sd_model_checkpoint": ["my model.ckpt"]}]
    assert subscription["FilterPolicy"] == {"$or": expected}


def test_each_runtime_has_its_three_alarms_webhooks_one_and_each_notifies_a_topic(
    template: Template, solution: Solution
) -> None:
    alarms = [alarm["Properties"] for alarm in template.of("AWS::CloudWatch::Alarm").values()]
    topics = [topic["Properties"]["TopicName"] for topic in template.of(TOPIC).values()]

    assert len(alarms) == 3 * len(solution.runtimes) + 1
    for alarm in alarms:
        [action] = alarm["AlarmActions"]
        assert action.rpartition(":")[2] in topics
        assert alarm["TreatMissingData"] == "notBreaching"


def test_logs_end_some_day(template: Template) -> None:
    logs = template.of("AWS::Logs::LogGroup")

    assert len(logs) == 5
    assert all(log["Properties"]["RetentionInDays"] == 30 for log in logs.values())


def test_the_api_asks_for_a_key_and_logs_and_traces(template: Template, solution: Solution) -> None:
    every = template.of("AWS::ApiGateway::Method").values()
    methods = [method for method in every if method["Properties"]["HttpMethod"] != "OPTIONS"]
    [stage] = template.of("AWS::ApiGateway::Stage").values()
    plan = template.resources["ApiUsagePlan"]

    assert all(method["Properties"]["ApiKeyRequired"] is True for method in methods)
    assert all(method["Properties"]["AuthorizationType"] == "CUSTOM" for method in methods)
    [api] = template.of("AWS::ApiGateway::RestApi").values()
    assert api["Properties"]["ApiKeySourceType"] == "AUTHORIZER"
    assert stage["Properties"]["TracingEnabled"] is True
    assert stage["Properties"]["AccessLogSetting"]["DestinationArn"] == {"Fn::GetAtt": ["ApiLog", "Arn"]}
    [settings] = stage["Properties"]["MethodSettings"]
    assert settings["DataTraceEnabled"] is False
    expected = {"RateLimit": solution.api.rate_limit, "BurstLimit": solution.api.burst_limit}
    assert plan["Properties"]["Throttle"] == expected


def test_karpenter_receives_four_kinds_of_events(solution_of: Resolve) -> None:
    rules = Template(stack.files(solution_of("eks-1.28"))["stack.yaml"]).of("AWS::Events::Rule").values()

    events = sorted(event for rule in rules for event in rule["Properties"]["EventPattern"]["detail-type"])
    assert events == [
        "AWS Health Event",
        "EC2 Instance Rebalance Recommendation",
        "EC2 Instance State-change Notification",
        "EC2 Spot Instance Interruption Warning",
    ]


def test_a_later_karpenter_receives_events_of_capacity_reservations_too(solution_of: Resolve) -> None:
    template = Template(stack.files(solution_of("minimal", eksVersion="1.34"))["stack.yaml"])

    rule = template.of("AWS::Events::Rule")["CapacityReservationRule"]["Properties"]
    assert rule["EventPattern"] == {
        "source": ["aws.ec2"],
        "detail-type": ["EC2 Capacity Reservation Instance Interruption Warning"],
    }


def test_everything_is_in_the_partition_of_the_region(solution_of: Resolve) -> None:
    texts = stack.files(solution_of("china"))
    template = Template(texts["stack.yaml"])

    arns = re.findall(r"arn:(aws[a-z-]*):", template.text)
    assert set(arns) == {"aws-cn"}
    role = template.resources["KarpenterNodeRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]
    assert role["Principal"] == {"Service": "ec2.amazonaws.com.cn"}
    assert ".cn-north-1.amazonaws.com.cn/" in template.document["Outputs"]["ApiUrl"]["Value"]["Fn::Sub"]
    endpoint = Template(texts["network.yaml"]).resources["S3Endpoint"]["Properties"]
    assert endpoint["ServiceName"] == "com.amazonaws.cn-north-1.s3"


def test_the_s3_endpoint_is_a_gateway_in_the_route_tables_it_is_given(solution_of: Resolve) -> None:
    template = Template(stack.files(solution_of("minimal"))["network.yaml"])

    properties = template.resources["S3Endpoint"]["Properties"]
    assert properties["VpcEndpointType"] == "Gateway"
    assert properties["VpcId"] == {"Ref": "VpcId"}
    assert properties["RouteTableIds"] == {"Ref": "RouteTableIds"}
    assert set(template.document["Parameters"]) == {"VpcId", "RouteTableIds"}
