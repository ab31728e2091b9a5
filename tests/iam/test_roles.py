"""All that each role may do: an additional action or a wider resource fails here."""

from dataclasses import replace
from typing import Any

import pytest
from queue_agent.task.protocol import ASSETS_FOLDER, RECORDS_FOLDER

from generator.iam import roles
from generator.iam.policy import Policy
from generator.solution.model import Models, Solution

Grants = dict[str, set[str]]


@pytest.fixture(scope="module")
def solution(solution_of: Any) -> Solution:
    solution: Solution = solution_of("minimal")
    return solution


def grants(document: Policy) -> Grants:
    """The resources of each action."""
    granted: Grants = {}
    for statement in document["Statement"]:
        actions, resources = statement["Action"], statement["Resource"]
        for action in [actions] if isinstance(actions, str) else actions:
            granted.setdefault(action, set()).update([resources] if isinstance(resources, str) else resources)
    return granted


def test_the_pods_of_a_runtime(solution: Solution) -> None:
    [runtime] = solution.runtimes
    bucket = f"arn:aws:s3:::{runtime.output_bucket}"
    actions = ("ChangeMessageVisibility", "DeleteMessage", "GetQueueAttributes", "ReceiveMessage")

    assert grants(roles.runtime(solution, runtime)) == {
        **{f"sqs:{action}": {runtime.queue.arn} for action in actions},
        "sqs:SendMessage": {runtime.dead_letter_queue.arn},
        "s3:AbortMultipartUpload": {f"{bucket}/*"},
        "s3:GetObject": {f"{bucket}/*", f"{solution.model_bucket_arn}/{runtime.models.direct[0]}"},
        "s3:PutObject": {f"{bucket}/*"},
        "s3:ListBucket": {bucket},
        "sns:Publish": {solution.results_topic_arn},
    }


@pytest.mark.parametrize("count", [1, 300])
def test_the_pods_of_a_runtime_may_read_the_files_that_they_download(solution: Solution, count: int) -> None:
    files = tuple(f"vae/{n} $.pt" for n in range(count))
    models = Models("others", mounted=True, mount_options=("prefix team-a/",), direct=files)
    policy = roles.runtime(solution, replace(solution.runtimes[0], models=models))

    folder = "arn:aws:s3:::others/team-a/"
    expected = {f"{folder}vae/0 ?.pt"} if count == 1 else {f"{folder}*"}
    own = f"arn:aws:s3:::{solution.runtimes[0].output_bucket}/*"
    assert grants(policy)["s3:GetObject"] == {own} | expected


def test_keda(solution: Solution) -> None:
    queues = {runtime.queue.arn for runtime in solution.runtimes}

    assert grants(roles.keda_operator(solution)) == {"sqs:GetQueueAttributes": queues}


def test_the_csi_driver(solution: Solution) -> None:
    models = solution.model_bucket_arn

    assert grants(roles.s3_csi_driver(solution)) == {
        "s3:ListBucket": {models},
        "s3:GetObject": {f"{models}/*"},
    }


def test_the_log_collector(solution: Solution) -> None:
    location = f"{solution.region}:{solution.account}"
    group = f"arn:aws:logs:{location}:log-group:/sd-on-eks/{solution.stack}/pods:*"

    assert grants(roles.log_collector(solution)) == {
        "logs:CreateLogStream": {group},
        "logs:PutLogEvents": {group},
    }


# Secrets Manager adds six characters to a name.
SECRET = "sdoneks-webhooks-??????"


def test_the_function_of_the_http_api(solution: Solution) -> None:
    [runtime] = solution.runtimes
    bucket = f"arn:aws:s3:::{runtime.output_bucket}"
    location = f"{solution.region}:{solution.account}"
    log = f"arn:aws:logs:{location}:log-group:/aws/lambda/{solution.stack}-api:*"

    assert grants(roles.api_function(solution)) == {
        "sns:Publish": {solution.requests_topic_arn},
        "s3:PutObject": {f"{bucket}/{RECORDS_FOLDER}/*", f"{bucket}/{ASSETS_FOLDER}/*"},
        "s3:DeleteObject": {f"{bucket}/{ASSETS_FOLDER}/*"},
        "s3:GetObject": {f"{bucket}/*"},
        # Of the models, for GET /runtimes/{runtime}.
        "s3:ListBucket": {bucket, solution.model_bucket_arn},
        "sqs:GetQueueAttributes": {runtime.queue.arn, runtime.dead_letter_queue.arn},
        "cloudwatch:GetMetricStatistics": {"*"},
        "secretsmanager:GetSecretValue": {f"arn:aws:secretsmanager:{location}:secret:{SECRET}"},
        "logs:CreateLogStream": {log},
        "logs:PutLogEvents": {log},
        "xray:PutTelemetryRecords": {"*"},
        "xray:PutTraceSegments": {"*"},
    }


def test_the_function_of_webhooks(solution: Solution) -> None:
    [runtime] = solution.runtimes
    bucket = f"arn:aws:s3:::{runtime.output_bucket}"
    location = f"{solution.region}:{solution.account}"
    queue = f"arn:aws:sqs:{location}:{solution.stack}-webhooks"
    log = f"arn:aws:logs:{location}:log-group:/aws/lambda/{solution.stack}-webhooks:*"

    assert grants(roles.webhooks(solution)) == {
        "sqs:ChangeMessageVisibility": {queue},
        "sqs:DeleteMessage": {queue},
        "sqs:GetQueueAttributes": {queue},
        "sqs:ReceiveMessage": {queue},
        "s3:PutObject": {f"{bucket}/{RECORDS_FOLDER}/*/webhook.json"},
        "s3:GetObject": {f"{bucket}/*"},
        "secretsmanager:GetSecretValue": {f"arn:aws:secretsmanager:{location}:secret:{SECRET}"},
        "logs:CreateLogStream": {log},
        "logs:PutLogEvents": {log},
        "xray:PutTelemetryRecords": {"*"},
        "xray:PutTraceSegments": {"*"},
    }


def test_a_queue_of_tasks_of_high_priority_is_the_apis_to_fill_and_the_agents_to_empty(
    solution_of: Any,
) -> None:
    entry = {"name": "sdxl", "type": "comfyui"}
    plain, solution = (
        solution_of("minimal", modelsRuntime=[{**entry, "priorityQueue": more}]) for more in (False, True)
    )
    [runtime] = solution.runtimes
    high = runtime.high_priority_queue.arn

    pods, api = grants(roles.runtime(solution, runtime)), grants(roles.api_function(solution))
    assert pods["sqs:ReceiveMessage"] == {runtime.queue.arn, high}
    assert pods["sqs:SendMessage"] == {runtime.dead_letter_queue.arn}
    assert api["sqs:SendMessage"] == {high}
    assert high in api["sqs:GetQueueAttributes"]
    assert grants(roles.keda_operator(solution))["sqs:GetQueueAttributes"] == {runtime.queue.arn, high}
    assert "sqs:SendMessage" not in grants(roles.api_function(plain))


def test_the_api_encrypts_what_it_sends_to_a_queue(solution_of: Any) -> None:
    entry = {"name": "sdxl", "type": "comfyui", "priorityQueue": True}
    policy = roles.api_function(solution_of("customer-keys", modelsRuntime=[entry]))
    [tasks] = [statement for statement in policy["Statement"] if statement["Sid"] == "EncryptTasks"]
    hosts = tasks["Condition"]["StringEquals"]["kms:ViaService"]
    assert {host.split(".")[0] for host in hosts} == {"sns", "sqs"}
