"""Policy documents of every role but Karpenter's, least privilege."""

from generator.iam.karpenter import controller as karpenter_controller
from generator.iam.policy import (
    INLINE_POLICY_MAX,
    Policy,
    allow,
    arn,
    bucket_arn,
    document,
    size,
)
from generator.solution import names
from generator.solution.model import Runtime, Solution

__all__ = ["api_function", "karpenter_controller", "keda_operator", "runtime", "s3_csi_driver"]

# X-Ray has no resources to scope these to.
XRAY_WRITE = ("xray:PutTelemetryRecords", "xray:PutTraceSegments")
XRAY_SAMPLING = (
    "xray:GetSamplingRules",
    "xray:GetSamplingStatisticSummaries",
    "xray:GetSamplingTargets",
)


def keda_operator(solution: Solution) -> Policy:
    """What KEDA's operator may do: count the messages of the runtimes' queues."""
    exact = _keda([runtime.queue_arn for runtime in solution.runtimes])
    # Some 100 ARNs fill the role; beyond that, the prefix that every name of this solution has.
    return exact if size(exact) <= INLINE_POLICY_MAX else _keda([any_queue(solution)])


def s3_csi_driver(solution: Solution) -> Policy:
    """What the Mountpoint CSI driver may do: read the models."""
    buckets = model_buckets(solution)
    return document(
        [
            allow("ListModels", "s3:ListBucket", buckets),
            allow("ReadModels", "s3:GetObject", [f"{bucket}/*" for bucket in buckets]),
        ]
    )


def runtime(solution: Solution, runtime: Runtime) -> Policy:
    """What the pods of one runtime may do: their queue, their bucket, the results topic, allowed inputs."""
    bucket = bucket_arn(solution, runtime.output_bucket)
    inputs = [f"{bucket_arn(solution, name)}/*" for name in runtime.input_buckets]
    take = ("ChangeMessageVisibility", "DeleteMessage", "GetQueueAttributes", "ReceiveMessage")
    statements = [
        allow("TakeTasks", [f"sqs:{action}" for action in take], runtime.queue_arn),
        allow("SetTasksAside", "sqs:SendMessage", runtime.dead_letter_queue_arn),
        allow("StoreResults", ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"], f"{bucket}/*"),
        # Without it S3 answers 403, not 404, for an object that is not there yet.
        allow("TellAbsentFromForbidden", "s3:ListBucket", bucket),
        allow("AnnounceResults", "sns:Publish", solution.results_topic_arn),
    ]
    if inputs:
        statements.append(allow("ReadInputs", "s3:GetObject", inputs))
    if runtime.xray:
        statements.append(allow("SendTraces", [*XRAY_WRITE, *XRAY_SAMPLING], "*"))
    return document(statements)


def api_function(solution: Solution) -> Policy:
    """What the function behind the HTTP API may do: publish tasks, keep records, sign links."""
    exact = _api([bucket_arn(solution, r.output_bucket) for r in solution.runtimes], solution)
    return exact if size(exact) <= INLINE_POLICY_MAX else _api([any_bucket(solution)], solution)


def any_queue(solution: Solution) -> str:
    """The ARN of every queue that this solution may have."""
    return arn(solution, "sqs", f"{solution.stack}-*")


def any_bucket(solution: Solution) -> str:
    """The ARN of every output bucket that this solution may have."""
    return bucket_arn(solution, names.output_bucket(solution.stack, "*", solution.account, solution.region))


def _keda(queues: list[str]) -> Policy:
    return document([allow("CountTasks", "sqs:GetQueueAttributes", queues)])


def _api(buckets: list[str], solution: Solution) -> Policy:
    # The group is the stack's: a function that may make one would make it without an end.
    log = arn(solution, "logs", f"log-group:/aws/lambda/{names.api(solution.stack)}:*")
    return document(
        [
            allow("PublishTasks", "sns:Publish", solution.requests_topic_arn),
            allow("KeepTaskRecords", "s3:PutObject", [f"{bucket}/.tasks/*" for bucket in buckets]),
            allow("ReadResults", "s3:GetObject", [f"{bucket}/*" for bucket in buckets]),
            allow("TellAbsentFromForbidden", "s3:ListBucket", buckets),
            allow("WriteLog", ["logs:CreateLogStream", "logs:PutLogEvents"], log),
            allow("SendTraces", XRAY_WRITE, "*"),
        ]
    )


def model_buckets(solution: Solution) -> list[str]:
    """The ARNs of the buckets that runtimes read models from."""
    others = {bucket_arn(solution, runtime.models.bucket) for runtime in solution.runtimes}
    return sorted({solution.model_bucket_arn, *others})
