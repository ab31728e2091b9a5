"""Deployments that find a stack or cluster in progress or in a failed state."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler

import pytest

from generator.deploy import eks, stacks
from generator.errors import AwsError
from testing.account import Account
from testing.relay import Reply, Server, forward, respond
from tests.deploy.conftest import MakeBench

ReplaceInAnswers = Callable[[str, str, str, int], None]


@pytest.fixture
def replace_in_answers(
    account: Account, bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ReplaceInAnswers]:
    """Replaces a text in a service's answers, `times` times: the emulator has no state in progress."""
    with ExitStack() as running:

        def replace(service: str, original: str, replacement: str, times: int) -> None:
            remaining = [times]

            def alter(handler: BaseHTTPRequestHandler, body: bytes) -> None:
                reply = forward(handler, body, account.endpoint)
                if remaining[0] and original.encode() in reply.content:
                    remaining[0] -= 1
                    changed = reply.content.replace(original.encode(), replacement.encode())
                    reply = Reply(reply.status, reply.headers, changed)
                respond(handler, reply)

            server = running.enter_context(Server(alter))
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", server.url)

        yield replace


def status(name: str) -> str:
    return f"<StackStatus>{name}</StackStatus>"


@pytest.mark.thorough
def test_a_stack_that_is_being_updated_is_waited_for(
    bench: MakeBench, replace_in_answers: ReplaceInAnswers
) -> None:
    stacks.apply(bench("one").job, "stack.yaml", {})
    replace_in_answers("CLOUDFORMATION", status("CREATE_COMPLETE"), status("UPDATE_IN_PROGRESS"), 3)
    repeated = bench("one")

    stacks.apply(repeated.job, "stack.yaml", {})

    assert repeated.messages[0] == "stack demo is UPDATE_IN_PROGRESS: waiting for it"
    assert repeated.messages[-1] == "stack demo: nothing to change"


@pytest.mark.thorough
def test_a_stack_whose_rollback_failed_is_reported_with_the_command_that_repairs_it(
    bench: MakeBench, replace_in_answers: ReplaceInAnswers
) -> None:
    stacks.apply(bench("one").job, "stack.yaml", {})
    replace_in_answers("CLOUDFORMATION", status("CREATE_COMPLETE"), status("UPDATE_ROLLBACK_FAILED"), 1)
    repeated = bench("one")

    with pytest.raises(AwsError, match="continue-update-rollback --stack-name demo --region us-east-1"):
        stacks.apply(repeated.job, "stack.yaml", {})


@pytest.mark.thorough
def test_a_cluster_that_is_being_made_is_waited_for(
    bench: MakeBench, replace_in_answers: ReplaceInAnswers
) -> None:
    one = bench("one")
    one.creates_cluster("1.34")
    eks.apply(one.job)
    replace_in_answers("EKS", '"ACTIVE"', '"CREATING"', 1)
    repeated = bench("one")

    eks.apply(repeated.job)

    assert repeated.messages[0] == "cluster demo is being created: waiting for it"
    assert repeated.programs()[-1] == "eksctl update addon"
