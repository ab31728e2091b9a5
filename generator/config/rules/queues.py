"""Queues and topics that a config names: each is used for one thing."""

from collections.abc import Iterator
from dataclasses import dataclass

from generator.config.node import ConfigNode
from generator.config.rules.base import Case, Finding, agent, rule
from generator.solution import names

QUEUE, DEAD_LETTER_QUEUE, HIGH = "sqsQueueUrl", "deadLetterQueueUrl", "highPriorityQueueUrl"
GENERATED = {
    QUEUE: names.queue,
    DEAD_LETTER_QUEUE: names.dead_letter_queue,
    HIGH: names.high_priority_queue,
}


@dataclass(frozen=True)
class _Use:
    """A queue of a runtime. `account`: "" where it is not known yet. `given`: whether the config names it."""

    runtime: ConfigNode
    key: str
    account: str
    name: str
    given: bool

    def same(self, other: "_Use") -> bool:
        """Whether both are one queue, and not both are generated: SD203 compares the generated names."""
        account = self.account == other.account or "" in (self.account, other.account)
        return account and self.name == other.name and (self.given or other.given)


def _uses(case: Case, *keys: str) -> list[_Use]:
    """For each runtime the queues that the keys name, or those that the stack creates for it."""
    uses = []
    for runtime in case.runtimes:
        name = runtime.at("name").text()
        for key in keys:
            if url := agent(runtime).at(key).text():
                account, _, queue = url.rpartition("/")
                uses.append(_Use(runtime, key, account.rpartition("/")[2], queue, given=True))
            elif case.stack and name and (key != HIGH or runtime.at("priorityQueue").value):
                queue = GENERATED[key](case.stack, name)
                uses.append(_Use(runtime, key, case.context.account or "", queue, given=False))
    return uses


def _by_name(uses: list[_Use]) -> dict[str, list[_Use]]:
    groups: dict[str, list[_Use]] = {}
    for use in uses:
        groups.setdefault(use.name, []).append(use)
    return groups


@rule("SD954")
def dead_letter_queues_are_not_queues(case: Case) -> Iterator[Finding]:
    """A dead-letter queue cannot be a queue of a runtime, which would receive its failed tasks again."""
    queues = _by_name(_uses(case, QUEUE, HIGH))
    for failed in _uses(case, DEAD_LETTER_QUEUE):
        for queue in queues.get(failed.name, ()):
            if failed.same(queue):
                place = (
                    agent(failed.runtime).at(DEAD_LETTER_QUEUE)
                    if failed.given
                    else agent(queue.runtime).at(queue.key)
                )
                message = (
                    f"{queue.name} is the dead-letter queue of runtime {failed.runtime.at('name').value!r} "
                    f"and the queue of runtime {queue.runtime.at('name').value!r}"
                )
                yield Finding(place, message, "use another queue for tasks that failed")


@rule("SD955")
def queues_are_not_shared(case: Case) -> Iterator[Finding]:
    """A queue has tasks of one priority, for runtimes of one type and model: agents receive any of them."""
    for uses in _by_name(_uses(case, QUEUE, HIGH)).values():
        for use in uses[1:]:
            equal = use.key == uses[0].key and _equal(use.runtime, uses[0].runtime)
            if use.same(uses[0]) and not equal:
                place = use if use.given else uses[0]
                other = uses[0] if use.given else use
                message = f"this is also {_role(other)} of runtime {other.runtime.at('name').value!r}"
                yield Finding(agent(place.runtime).at(place.key), message, _help(use, other))


def _role(use: _Use) -> str:
    return "the queue" if use.key == QUEUE else "the queue of tasks of high priority"


def _help(use: _Use, other: _Use) -> str:
    if use.key != other.key:
        return "use a queue for each: tasks of high priority would not be received first"
    return "use a queue for each: the two have different types or models"


def _equal(one: ConfigNode, other: ConfigNode) -> bool:
    keys = ("type", "modelFilename", "dynamicModel")
    return all(one.at(key).value == other.at(key).value for key in keys)


@rule("SD956")
def results_go_to_another_topic(case: Case) -> Iterator[Finding]:
    """The topic for results cannot be the requests topic, whose subscribers are the runtimes' queues."""
    for runtime in case.runtimes:
        node = agent(runtime).at("snsTopicArn")
        if case.stack and (node.text() or "").rpartition(":")[2] == names.requests_topic(case.stack):
            message = "this is the requests topic: results would not reach those who wait for them"
            yield Finding(node, message, f"remove the key: results go to {names.results_topic(case.stack)}")
