"""Stacks and clusters that AWS is at work on, or has left half done, when a deployment meets them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler

import pytest

from generator.deploy import eks, stacks
from generator.errors import AwsError
from testing.account import Account
from testing.relay import Reply, Server, forward, respond
from tests.deploy.conftest import MakeBench

Saying = Callable[[str, str, str, int], None]


@pytest.fixture
def saying(account: Account, bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Saying]:
    """Lets a service answer with one word for another, so many times: the emulator is never half done."""
    with ExitStack() as running:

        def say(service: str, truth: str, said: str, times: int) -> None:
            left = [times]

            def alter(handler: BaseHTTPRequestHandler, body: bytes) -> None:
                reply = forward(handler, body, account.endpoint)
                if left[0] and truth.encode() in reply.content:
                    left[0] -= 1
                    changed = reply.content.replace(truth.encode(), said.encode())
                    reply = Reply(reply.status, reply.headers, changed)
                respond(handler, reply)

            server = running.enter_context(Server(alter))
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", server.url)

        yield say


def status(word: str) -> str:
    return f"<StackStatus>{word}</StackStatus>"


def test_a_stack_that_somebody_changes_is_waited_for(bench: MakeBench, saying: Saying) -> None:
    stacks.apply(bench("one").job, "stack.yaml", {})
    saying("CLOUDFORMATION", status("CREATE_COMPLETE"), status("UPDATE_IN_PROGRESS"), 3)
    again = bench("one")

    stacks.apply(again.job, "stack.yaml", {})

    assert again.said[0] == "stack demo is UPDATE_IN_PROGRESS: waiting for it"
    assert again.said[-1] == "stack demo: nothing to change"


def test_a_stack_whose_rollback_failed_is_left_with_the_way_out(bench: MakeBench, saying: Saying) -> None:
    stacks.apply(bench("one").job, "stack.yaml", {})
    saying("CLOUDFORMATION", status("CREATE_COMPLETE"), status("UPDATE_ROLLBACK_FAILED"), 1)
    again = bench("one")

    with pytest.raises(AwsError, match="continue-update-rollback --stack-name demo --region us-east-1"):
        stacks.apply(again.job, "stack.yaml", {})


def test_a_cluster_that_is_being_made_is_waited_for(bench: MakeBench, saying: Saying) -> None:
    one = bench("one")
    one.makes_cluster("1.34")
    eks.apply(one.job)
    saying("EKS", '"ACTIVE"', '"CREATING"', 1)
    again = bench("one")

    eks.apply(again.job)

    assert again.said[0] == "cluster demo is being created: waiting for it"
    assert again.programs()[-1] == "eksctl update addon"
