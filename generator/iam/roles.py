"""The least-privilege policies of all roles, except that of Karpenter's controller."""

from generator.iam import keys
from generator.iam.policy import (
    INLINE_POLICY_MAX,
    Policy,
    Statement,
    allow,
    arn,
    bucket_arn,
    document,
    size,
)
from generator.solution import names
from generator.solution.model import Runtime, Solution

# X-Ray actions have no resource types: they cannot be limited to a resource.
XRAY_WRITE = ("xray:PutTelemetryRecords", "xray:PutTraceSegments")
XRAY_SAMPLING = (
    "xray:GetSamplingRules",
    "xray:GetSamplingStatisticSummaries",
    "xray:GetSamplingTargets",
)


def keda_operator(solution: Solution) -> Policy:
    """KEDA's operator: read how many messages the runtimes' queues have."""
    exact = _keda([queue.arn for runtime in solution.runtimes for queue in runtime.task_queues])
    # About 100 ARNs fill the policy. For more queues: the prefix that all queues of this solution have.
    return exact if size(exact) <= INLINE_POLICY_MAX else _keda([any_queue(solution)])


def s3_csi_driver(solution: Solution) -> Policy:
    """The Mountpoint S3 CSI driver: list and read the models."""
    buckets = model_buckets(solution)
    return document(
        [
            allow("ListModels", "s3:ListBucket", buckets),
            allow("ReadModels", "s3:GetObject", [f"{bucket}/*" for bucket in buckets]),
            *keys.read("DecryptModels", solution.keys.models, "s3", solution),
        ]
    )


def log_collector(solution: Solution) -> Policy:
    """Fluent Bit: write to the log group of the pods, which the stack creates with its retention."""
    group = arn(solution, "logs", f"log-group:{solution.observability.logs.group}:*")
    return document([allow("WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], group)])


def runtime(solution: Solution, runtime: Runtime) -> Policy:
    """The pods of one runtime: queue, output bucket, results topic, input buckets, models to download.

    Each of these models by its name, or their folder where the names would fill the policy.
    """
    models = runtime.models
    folder = f"{bucket_arn(solution, models.bucket)}/{models.prefix}"
    # `$` would begin a variable of the policy; `?` is any character.
    exact = _runtime(solution, runtime, [f"{folder}{name.replace('$', '?')}" for name in models.direct])
    return exact if size(exact) <= INLINE_POLICY_MAX else _runtime(solution, runtime, [f"{folder}*"])


def _runtime(solution: Solution, runtime: Runtime, models: list[str]) -> Policy:
    bucket = bucket_arn(solution, runtime.output_bucket)
    inputs = [f"{bucket_arn(solution, name)}/*" for name in runtime.input_buckets]
    consume = ("ChangeMessageVisibility", "DeleteMessage", "GetQueueAttributes", "ReceiveMessage")
    queues = [queue.arn for queue in runtime.task_queues]
    statements = [
        allow("TakeTasks", [f"sqs:{action}" for action in consume], queues if len(queues) > 1 else queues[0]),
        allow("SetTasksAside", "sqs:SendMessage", runtime.dead_letter_queue.arn),
        allow("StoreResults", ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"], f"{bucket}/*"),
        # Without it S3 answers 403 instead of 404 for an object that does not exist.
        allow("TellAbsentFromForbidden", "s3:ListBucket", bucket),
        allow("AnnounceResults", "sns:Publish", solution.results_topic_arn),
        *keys.write("EncryptResults", solution.keys.outputs, ("s3",), solution),
        *keys.write("EncryptMessages", solution.keys.messages, ("sqs", "sns"), solution),
    ]
    if inputs:
        statements.append(allow("ReadInputs", "s3:GetObject", inputs))
        statements += keys.read("DecryptInputs", solution.keys.inputs, "s3", solution)
    if runtime.models.direct:
        statements.append(allow("DownloadModels", "s3:GetObject", models))
        statements += keys.read("DecryptModels", solution.keys.models, "s3", solution)
    if runtime.xray:
        statements.append(allow("SendTraces", [*XRAY_WRITE, *XRAY_SAMPLING], "*"))
    return document(statements)


def api_function(solution: Solution) -> Policy:
    """The function of the HTTP API: publish tasks, store task records, read results (for presigned URLs).

    For `GET /runtimes/{runtime}` it counts the messages of queues and lists the names of models; these also
    before it refuses a workflow for its model.
    """
    queues = [queue.arn for runtime in solution.runtimes for queue in runtime.queues]
    high = [queue.arn for runtime in solution.runtimes if (queue := runtime.high_priority_queue)]
    exact = _api([bucket_arn(solution, r.output_bucket) for r in solution.runtimes], queues, high, solution)
    if size(exact) <= INLINE_POLICY_MAX:
        return exact
    pattern = [arn(solution, "sqs", names.high_priority_queue(solution.stack, "*"))] if high else []
    return _api([any_bucket(solution)], [any_queue(solution)], pattern, solution)


def api_authorizer(solution: Solution) -> Policy:
    """The authorizer of the HTTP API: its log and its traces. It reads nothing but the request."""
    return document(
        [_write_log(names.api_authorizer(solution.stack), solution), allow("SendTraces", XRAY_WRITE, "*")]
    )


def webhooks(solution: Solution) -> Policy:
    """The function that sends webhooks: its queue, the secret, links to results, a note on each webhook."""
    exact = _webhooks([bucket_arn(solution, r.output_bucket) for r in solution.runtimes], solution)
    return exact if size(exact) <= INLINE_POLICY_MAX else _webhooks([any_bucket(solution)], solution)


def webhook_secret(solution: Solution) -> str:
    """An ARN pattern for the secret of webhooks: Secrets Manager adds six characters to its name."""
    return arn(solution, "secretsmanager", f"secret:{names.webhooks(solution.stack)}-??????")


def node_roles(solution: Solution) -> list[str]:
    """The names of the roles that GPU nodes may have: the stack's, and those that the config names."""
    own = names.controller_role(solution.stack, "karpenter-node")
    return sorted({own, *(runtime.nodes.iam_role for runtime in solution.runtimes if runtime.nodes.iam_role)})


def any_queue(solution: Solution) -> str:
    """An ARN pattern for every queue of this solution."""
    return arn(solution, "sqs", f"{solution.stack}-*")


def any_bucket(solution: Solution) -> str:
    """An ARN pattern for every output bucket of this solution."""
    return bucket_arn(solution, names.output_bucket(solution.stack, "*", solution.account, solution.region))


def _keda(queues: list[str]) -> Policy:
    return document([allow("CountTasks", "sqs:GetQueueAttributes", queues)])


def _api(buckets: list[str], queues: list[str], high: list[str], solution: Solution) -> Policy:
    services = ("sns", "sqs") if high else ("sns",)
    return document(
        [
            allow("PublishTasks", "sns:Publish", solution.requests_topic_arn),
            *([allow("SendTasksOfHighPriority", "sqs:SendMessage", high)] if high else []),
            allow("KeepTaskRecords", "s3:PutObject", [f"{bucket}/.tasks/*" for bucket in buckets]),
            # Uploads of clients of the Comfy API.
            allow(
                "KeepAssets",
                ["s3:DeleteObject", "s3:PutObject"],
                [f"{bucket}/.assets/*" for bucket in buckets],
            ),
            allow("ReadResults", "s3:GetObject", [f"{bucket}/*" for bucket in buckets]),
            allow("TellAbsentFromForbidden", "s3:ListBucket", buckets),
            allow("ListModels", "s3:ListBucket", model_buckets(solution)),
            allow("CountTasks", "sqs:GetQueueAttributes", queues),
            # Reading metrics cannot be limited to some of them.
            allow("ReadAgeOfTasks", "cloudwatch:GetMetricStatistics", "*"),
            # Each key may ask for the secret of its own webhooks, which is derived from this one.
            allow("DeriveWebhookSecrets", "secretsmanager:GetSecretValue", webhook_secret(solution)),
            _write_log(names.api(solution.stack), solution),
            allow("SendTraces", XRAY_WRITE, "*"),
            *keys.write("EncryptRecords", solution.keys.outputs, ("s3",), solution),
            *keys.write("EncryptTasks", solution.keys.messages, services, solution),
        ]
    )


def _webhooks(buckets: list[str], solution: Solution) -> Policy:
    take = ("ChangeMessageVisibility", "DeleteMessage", "GetQueueAttributes", "ReceiveMessage")
    queue = arn(solution, "sqs", names.webhooks(solution.stack))
    return document(
        [
            allow("TakeResults", [f"sqs:{action}" for action in take], queue),
            allow("SignWebhooks", "secretsmanager:GetSecretValue", webhook_secret(solution)),
            allow("NoteWebhooks", "s3:PutObject", [f"{bucket}/.tasks/*/webhook.json" for bucket in buckets]),
            # A link to a picture opens what its maker may read.
            allow("LinkResults", "s3:GetObject", [f"{bucket}/*" for bucket in buckets]),
            _write_log(names.webhooks(solution.stack), solution),
            allow("SendTraces", XRAY_WRITE, "*"),
            *keys.write("EncryptNotes", solution.keys.outputs, ("s3",), solution),
            *keys.read("DecryptResults", _of(solution.keys.messages), "sqs", solution),
        ]
    )


def _of(key: str | None) -> tuple[str, ...]:
    return (key,) if key else ()


def _write_log(function: str, solution: Solution) -> Statement:
    """Write the log of a function."""
    # No logs:CreateLogGroup: the stack creates the log group, with a retention period.
    log = arn(solution, "logs", f"log-group:/aws/lambda/{function}:*")
    return allow("WriteLog", ["logs:CreateLogStream", "logs:PutLogEvents"], log)


def model_buckets(solution: Solution) -> list[str]:
    """The ARNs of all buckets with models."""
    of_runtimes = {bucket_arn(solution, runtime.models.bucket) for runtime in solution.runtimes}
    return sorted({solution.model_bucket_arn, *of_runtimes})
