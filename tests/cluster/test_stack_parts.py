"""Alarms, HTTP API, topics and Karpenter's part of the template: what no emulator would miss."""

import json
from typing import Any

import pytest

from generator.build import stack
from generator.solution.model import Solution
from tests.cluster.conftest import Resolve
from tests.cluster.stack_template import Template


@pytest.fixture(scope="module")
def solution(solution_of: Resolve) -> Solution:
    return solution_of("three-runtimes")


@pytest.fixture(scope="module")
def template(solution: Solution) -> Template:
    return Template(stack.files(solution)["stack.yaml"])


def alarms(template: Template, kind: str) -> dict[str, dict[str, Any]]:
    """The alarms of a kind by the name of the queue that they are about."""
    properties = [alarm["Properties"] for alarm in template.of("AWS::CloudWatch::Alarm").values()]
    return {
        alarm["AlarmName"].removesuffix(f"-{kind}"): alarm
        for alarm in properties
        if alarm["AlarmName"].endswith(f"-{kind}")
    }


def watched(alarm: dict[str, Any]) -> tuple[str, str, str]:
    [dimension] = alarm["Dimensions"]
    return alarm["Namespace"], alarm["MetricName"], dimension["Value"]


def test_a_task_in_the_dead_letter_queue_raises_an_alarm(template: Template, solution: Solution) -> None:
    by_queue = alarms(template, "tasks-set-aside")

    for runtime in solution.runtimes:
        alarm = by_queue[runtime.queue.name]
        assert watched(alarm) == (
            "AWS/SQS",
            "ApproximateNumberOfMessagesVisible",
            runtime.dead_letter_queue.name,
        )
        assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanThreshold", 0)


def test_a_task_that_waits_longer_than_two_tries_raises_an_alarm(
    template: Template, solution: Solution
) -> None:
    by_queue = alarms(template, "tasks-wait-long")

    for runtime in solution.runtimes:
        alarm = by_queue[runtime.queue.name]
        assert watched(alarm) == ("AWS/SQS", "ApproximateAgeOfOldestMessage", runtime.queue.name)
        assert alarm["ComparisonOperator"] == "GreaterThanThreshold"
        assert alarm["Threshold"] == 2 * runtime.task_timeout_seconds


def test_tasks_that_wait_while_no_agent_polls_raise_an_alarm(template: Template, solution: Solution) -> None:
    by_queue = alarms(template, "tasks-untaken")

    for runtime in solution.runtimes:
        rows = {row["Id"]: row for row in by_queue[runtime.queue.name]["Metrics"]}
        metrics = {name: row["MetricStat"]["Metric"] for name, row in rows.items() if "MetricStat" in row}
        assert {name: metric["MetricName"] for name, metric in metrics.items()} == {
            "waiting": "ApproximateNumberOfMessagesVisible",
            "received": "NumberOfMessagesReceived",
            "empty": "NumberOfEmptyReceives",
        }
        assert {metric["Dimensions"][0]["Value"] for metric in metrics.values()} == {runtime.queue.name}
        [returned] = [row for row in rows.values() if row.get("ReturnData", True)]
        asked = "FILL(received, 0) + FILL(empty, 0)"
        assert returned["Expression"] == f"IF(FILL(waiting, 0) > 0 AND {asked} == 0, 1, 0)"


def test_cloudwatch_of_this_account_alone_may_announce_alarms(template: Template, solution: Solution) -> None:
    statements = template.resources["AlarmsTopicPolicy"]["Properties"]["PolicyDocument"]["Statement"]

    [allow] = [statement for statement in statements if statement["Effect"] == "Allow"]
    assert allow["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert allow["Condition"] == {"StringEquals": {"aws:SourceAccount": solution.account}}


def test_the_api_is_of_its_region_and_no_edge_location(template: Template) -> None:
    [api] = template.of("AWS::ApiGateway::RestApi").values()

    assert api["Properties"]["EndpointConfiguration"] == {"Types": ["REGIONAL"]}


def test_every_method_has_its_request_validated(template: Template) -> None:
    [validator] = template.of("AWS::ApiGateway::RequestValidator").items()
    methods = [method["Properties"] for method in template.of("AWS::ApiGateway::Method").values()]

    assert validator[1]["Properties"]["ValidateRequestBody"] is True
    assert validator[1]["Properties"]["ValidateRequestParameters"] is True
    assert [method["RequestValidatorId"] for method in methods] == [{"Ref": validator[0]}] * len(methods)
    posts = [method for method in methods if method["HttpMethod"] == "POST"]
    models = [method["RequestModels"]["application/json"]["Ref"] for method in posts]
    assert sorted(models) == sorted(template.of("AWS::ApiGateway::Model"))


def test_the_stage_is_held_to_the_configs_rate_and_logs_no_body(
    template: Template, solution: Solution
) -> None:
    [stage] = template.of("AWS::ApiGateway::Stage").values()
    [settings] = stage["Properties"]["MethodSettings"]

    rates = (settings["ThrottlingRateLimit"], settings["ThrottlingBurstLimit"])
    assert rates == (solution.api.rate_limit, solution.api.burst_limit)
    # INFO logs hold the request's body.
    assert (settings["LoggingLevel"], settings["DataTraceEnabled"]) == ("OFF", False)
    assert stage["Properties"]["StageName"] == solution.api.stage


def test_the_functions_traces_begin_with_each_request(template: Template) -> None:
    functions = template.of("AWS::Lambda::Function").values()

    assert len(functions) == 3
    assert all(function["Properties"]["TracingConfig"] == {"Mode": "Active"} for function in functions)


# Titles as of RFC 9110; of the last two API Gateway itself chooses the status.
REFUSALS = {
    "BAD_REQUEST_BODY": (400, "Bad Request"),
    "ACCESS_DENIED": (403, "Forbidden"),
    "INVALID_API_KEY": (403, "Forbidden"),
    "MISSING_AUTHENTICATION_TOKEN": (404, "Not Found"),
    "REQUEST_TOO_LARGE": (413, "Content Too Large"),
    "THROTTLED": (429, "Too Many Requests"),
    "QUOTA_EXCEEDED": (429, "Too Many Requests"),
    "DEFAULT_4XX": (None, "Refused"),
    "DEFAULT_5XX": (None, "Refused"),
}


def test_what_api_gateway_refuses_by_itself_is_a_problem_document(template: Template) -> None:
    refusals = {}
    for response in template.of("AWS::ApiGateway::GatewayResponse").values():
        properties = response["Properties"]
        body = json.loads(
            properties["ResponseTemplates"]["application/json"].replace("$context.error.messageString", '""')
        )
        assert properties.get("StatusCode") == (str(body["status"]) if "status" in body else None)
        refusals[properties["ResponseType"]] = (body.get("status"), body["title"])

    assert refusals == REFUSALS


# Names of ours, with API Gateway's variables; one that it does not know would log `-`.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-variables-for-access-logging.html
LOGGED = """
    time=requestTime requestId=requestId ip=identity.sourceIp key=identity.apiKeyId method=httpMethod
    path=path status=status bytes=responseLength milliseconds=responseLatency error=error.responseType
    trace=xrayTraceId
"""


def test_the_access_log_says_who_asked_for_what_and_how_it_ended(template: Template) -> None:
    [stage] = template.of("AWS::ApiGateway::Stage").values()

    line = json.loads(stage["Properties"]["AccessLogSetting"]["Format"])
    assert {f"{name}={variable.removeprefix('$context.')}" for name, variable in line.items()} == set(
        LOGGED.split()
    )


def test_nodes_may_join_pull_and_be_reached_by_session_manager(template: Template) -> None:
    role = template.resources["KarpenterNodeRole"]["Properties"]

    # https://github.com/aws/karpenter-provider-aws/blob/v1.8.8/website/content/en/docs/getting-started
    assert {arn.rpartition("/")[2] for arn in role["ManagedPolicyArns"]} == {
        "AmazonEKSWorkerNodePolicy",
        "AmazonEKS_CNI_Policy",
        "AmazonEC2ContainerRegistryPullOnly",
        "AmazonSSMManagedInstanceCore",
    }


def test_the_rules_alone_may_fill_the_interruption_queue_and_do(template: Template) -> None:
    rules = template.of("AWS::Events::Rule")
    statements = template.resources["InterruptionQueuePolicy"]["Properties"]["PolicyDocument"]["Statement"]

    [allow] = [statement for statement in statements if statement["Effect"] == "Allow"]
    assert allow["Principal"] == {"Service": "events.amazonaws.com"}
    sources = allow["Condition"]["ArnEquals"]["aws:SourceArn"]
    assert [source["Fn::GetAtt"][0] for source in sources] == list(rules)
    for rule in rules.values():
        [target] = rule["Properties"]["Targets"]
        assert target["Arn"] == {"Fn::GetAtt": ["InterruptionQueue", "Arn"]}
        [source] = rule["Properties"]["EventPattern"]["source"]
        [event] = rule["Properties"]["EventPattern"]["detail-type"]
        assert source == ("aws.health" if event == "AWS Health Event" else "aws.ec2")


def test_the_topic_feeds_a_queue_only_once_the_queue_lets_it_in(template: Template) -> None:
    for name, subscription in template.of("AWS::SNS::Subscription").items():
        runtime = name.removesuffix("Subscription")
        assert subscription["DependsOn"] == [f"{runtime}QueuePolicy", f"{runtime}DeadLetterQueuePolicy"]


def test_what_the_topic_cannot_deliver_goes_to_a_dead_letter_queue(template: Template) -> None:
    for name, subscription in template.of("AWS::SNS::Subscription").items():
        queue = f"{name.removesuffix('Subscription')}DeadLetterQueue"
        assert subscription["Properties"]["RedrivePolicy"] == {
            "deadLetterTargetArn": {"Fn::GetAtt": [queue, "Arn"]}
        }


def test_unencrypted_transport_is_refused_for_buckets_and_all_that_is_in_them(
    template: Template, solution: Solution
) -> None:
    covered = [
        policy["Properties"]["PolicyDocument"]["Statement"][0]["Resource"]
        for policy in template.of("AWS::S3::BucketPolicy").values()
    ]

    arns = [f"arn:aws:s3:::{runtime.output_bucket}" for runtime in solution.runtimes]
    assert sorted(covered) == sorted([arn, f"{arn}/*"] for arn in arns)


@pytest.fixture(scope="module")
def two_queues(solution_of: Resolve) -> Solution:
    runtimes = [{"name": "sdxl", "type": "comfyui", "priorityQueue": True}, {"name": "b", "type": "comfyui"}]
    return solution_of("minimal", modelsRuntime=runtimes)


def test_only_a_runtime_that_asks_for_it_has_a_queue_of_tasks_of_high_priority(two_queues: Solution) -> None:
    template = Template(stack.files(two_queues)["stack.yaml"])
    [runtime, _] = two_queues.runtimes
    queues = {queue["Properties"]["QueueName"]: queue for queue in template.of("AWS::SQS::Queue").values()}

    assert [name for name in queues if name.endswith("-high")] == [runtime.high_priority_queue.name]
    high, tasks = queues[runtime.high_priority_queue.name], queues[runtime.queue.name]
    assert high["DeletionPolicy"] == "RetainExceptOnCreate"
    assert high["Properties"] == tasks["Properties"] | {"QueueName": runtime.high_priority_queue.name}
    sent = [
        statement
        for statement in template.statements()
        if statement.get("Action") == "sqs:SendMessage"
        and statement["Resource"] == runtime.high_priority_queue.arn
        and "Principal" in statement
    ]
    assert not sent, "the topic sends nothing there; the API does, by the permissions of its role"


def test_alarms_watch_both_queues(two_queues: Solution) -> None:
    template = Template(stack.files(two_queues)["stack.yaml"])
    [runtime, single] = two_queues.runtimes
    both = {runtime.queue.name, runtime.high_priority_queue.name}

    old, untaken = (alarms(template, kind) for kind in ("tasks-wait-long", "tasks-untaken"))
    assert watched(old[single.queue.name])[2] == single.queue.name
    assert old[runtime.queue.name]["Metrics"][0]["Expression"] == "MAX([FILL(tasks, 0), FILL(high, 0)])"
    for alarm in (old[runtime.queue.name], untaken[runtime.queue.name]):
        metrics = [entry["MetricStat"]["Metric"] for entry in alarm["Metrics"][1:]]
        assert {metric["Dimensions"][0]["Value"] for metric in metrics} == both
    assert "FILL(waiting, 0) + FILL(high, 0) > 0" in untaken[runtime.queue.name]["Metrics"][0]["Expression"]
    assert "high" not in untaken[single.queue.name]["Metrics"][0]["Expression"]
