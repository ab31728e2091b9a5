"""Names: free, or in use by this solution from an earlier run."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from generator.aws import eks, errors
from generator.aws.asker import Asker
from generator.build import stack_layout
from generator.iam import accounts
from generator.preflight import usage
from generator.preflight.check import Check, Subject
from generator.preflight.result import CheckStatus, Result
from generator.solution import names
from generator.solution.model import Solution

THEME = "names"
ABSENT = frozenset(
    {
        "404",
        "NoSuchBucket",
        "NoSuchEntity",
        "NotFound",
        "NotFoundException",
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
        "ResourceNotFoundException",
    }
)
# S3 answers so for a bucket that another account has, in this region or in another.
ANOTHERS_BUCKET = frozenset({"403", "AccessDenied", "301", "PermanentRedirect"})
# Something true, or an error of AWS; False for a bucket of another account.
Ask = Callable[[Asker], Any]


def checks(subject: Subject) -> Iterator[Check[Any]]:
    """Queues, buckets, topics and roles, each free, or in a stack of the solution."""
    solution = subject.solution
    for runtime in solution.runtimes:
        for queue in runtime.queues:
            yield _check(solution, "queue", queue.name, _queue(queue.name))
        yield _check(solution, "bucket", runtime.output_bucket, _bucket(runtime.output_bucket))
    for arn in (solution.requests_topic_arn, solution.results_topic_arn):
        yield _check(solution, "topic", arn.rpartition(":")[2], _topic(arn))
    roles = {account.role_name for account in accounts.service_accounts(solution)}
    if solution.existing_cluster is None:
        roles.add(names.controller_role(solution.stack, "karpenter-node"))
    for role in sorted(roles):
        yield _check(solution, "role", role, _role(role))


def _check(solution: Solution, kind: str, name: str, ask: Ask) -> Check[Any]:
    return Check(THEME, f"{kind} {name}", partial(_state, solution, ask), partial(judge, kind, name))


def _queue(name: str) -> Ask:
    return lambda asker: asker.client("sqs").get_queue_url(QueueName=name)


def _bucket(name: str) -> Ask:
    return partial(is_accounts_bucket, name)


def is_accounts_bucket(name: str, asker: Asker) -> bool:
    """Whether a bucket that exists is the account's."""
    try:
        asker.client("s3").head_bucket(Bucket=name)
    except errors.refusals() as error:
        if errors.code(error) not in ANOTHERS_BUCKET:
            raise
        return name in usage.account_buckets(asker)
    return True


def _topic(arn: str) -> Ask:
    return lambda asker: asker.client("sns").get_topic_attributes(TopicArn=arn)


def _role(name: str) -> Ask:
    return lambda asker: asker.client("iam").get_role(RoleName=name)


def _state(solution: Solution, ask: Ask, asker: Asker) -> str:
    """`free`, `own`, `taken`, or `another's` for a bucket of another account."""
    try:
        if not ask(asker):
            return "another's"
    except errors.refusals() as error:
        if errors.code(error) in ABSENT:
            return "free"
        raise
    return "own" if asker.once("deployed", partial(deployed, solution)) else "taken"


def deployed(solution: Solution, asker: Asker) -> bool:
    """Whether the solution's stack, or its cluster, exists: names in use are then its own."""
    name = stack_layout.stack_name(solution, stack_layout.MAIN_FILE)
    try:
        asker.client("cloudformation").describe_stacks(StackName=name)
    except errors.refusals() as error:
        # AWS says this, and no code of its own, for a stack that does not exist.
        if errors.code(error) != "ValidationError":
            raise
        if solution.existing_cluster:
            return False
        cluster = asker.once("cluster", lambda a: eks.cluster(a.client("eks"), solution.stack))
        return cluster is not None and cluster.belongs_to(solution.stack)
    return True


def judge(kind: str, name: str, state: str) -> Iterator[Result]:
    """Resources that an uninstall kept block the next solution of that name."""
    check_name = f"{kind} {name}"
    if state == "free":
        yield Result(THEME, check_name, CheckStatus.PASSED, "is free")
    elif state == "own":
        yield Result(THEME, check_name, CheckStatus.PASSED, "belongs to this solution")
    elif state == "another's":
        help = "choose another `stackName`: bucket names are shared by all accounts"
        yield Result(
            THEME, check_name, CheckStatus.FAILED, "cannot be read: another account may own it", help
        )
    else:
        help = "kept by an uninstall? `generator deploy FILE --adopt` takes it over; else another `stackName`"
        yield Result(
            THEME, check_name, CheckStatus.FAILED, "exists, and is not in a stack of this solution", help
        )
