"""What all tasks of an agent may need together, and that the chart gives it."""

import asyncio

from queue_agent import blobs
from queue_agent.aws.queue import Message
from queue_agent.flow import budget
from queue_agent.flow.budget import ByteBudget
from queue_agent.flow.job import Job
from queue_agent.flow.scheduler import Scheduler
from queue_agent.ops.metrics import Metrics
from queue_agent.pictures import __main__ as pictures
from queue_agent.settings import Settings, expected
from queue_agent.task import inputs
from queue_agent.task.inputs import InputLimits

from tests.agent import limits
from tests.agent.adapters.conftest import task

MEBIBYTE = 2**20
# An idle agent, and the buffers of its connections and threads.
BASE_BYTES = 160 * MEBIBYTE
# Measured: the most memory that objects of Python take for a byte of JSON, for lists in lists.
PER_JSON_BYTE = 44


def test_the_memory_of_the_chart_is_enough_for_everything_that_the_agent_keeps_in_memory():
    # A task that is being prepared has its content twice; one that runs or finishes, once.
    parsed = 2 * budget.WAITING_MESSAGE_BYTES + budget.FINISHING_MESSAGE_BYTES + 2 * MEBIBYTE

    needed = BASE_BYTES + blobs.MEMORY_BYTES + budget.ANNOUNCING_MESSAGE_BYTES + PER_JSON_BYTE * parsed
    needed += pictures.MEMORY_BYTES

    assert needed <= limits.memory()


def test_the_scratch_volume_of_the_chart_is_enough_for_all_inputs_and_outputs():
    # A tenth is left for the file system and for what is written when a budget is exceeded by rounding.
    assert limits.scratch_volume() >= (budget.INPUT_BYTES + budget.OUTPUT_BYTES) * 1.1


def test_a_task_of_the_largest_size_that_the_settings_accept_fits_into_the_budgets():
    largest = 2**40
    while expected("OUTPUT_MAX_BYTES", str(largest)) is not None:
        largest //= 2
    assert budget.run_bytes(largest) <= budget.OUTPUT_BYTES

    assert expected("INPUT_MAX_BYTES", str(2**30)) is None
    assert InputLimits(2**30, 30, ()).total_bytes(32) == inputs.MAX_TOTAL_BYTES
    assert budget.prepare_bytes(inputs.MAX_TOTAL_BYTES) <= budget.INPUT_BYTES


def test_the_defaults_let_several_of_the_largest_tasks_be_prepared_and_stored_at_once():
    defaults = {setting.name: setting.default for setting in Settings.__dataclass_fields__.values()}
    input_limits = InputLimits(defaults["input_max_bytes"], 30, ())

    assert budget.prepare_bytes(input_limits.total_bytes(32)) * 8 <= budget.INPUT_BYTES
    assert budget.run_bytes(defaults["output_max_bytes"]) * 8 <= budget.OUTPUT_BYTES


def finishing_job(scheduler: Scheduler, name: str, body: str = "") -> Job:
    """A job whose run has just ended."""
    message = Message(name, "", body, 1, 0.0, 0.0, "", {})
    job = Job(message, task("text-to-image", {}), None, 0.0)
    scheduler.add(job)
    scheduler.prepare_next()
    scheduler.mark_ready(job, 0.1)
    assert scheduler.running is job
    scheduler.mark_ran(job)
    scheduler.release_runtime(job)
    return job


def next_starts(scheduler: Scheduler) -> bool:
    """Whether one more job would start now."""
    job = Job(Message("next", "", "", 1, 0.0, 0.0, "", {}), task("text-to-image", {}), None, 0.0)
    scheduler.add(job)
    scheduler.prepare_next()
    scheduler.mark_ready(job, 0.1)
    started = scheduler.running is job
    scheduler.remove(job)
    return started


async def test_no_task_starts_while_the_outputs_of_others_leave_no_room_for_its_own():
    maximum = budget.OUTPUT_BYTES // 7  # of which a run may need 7/4: a quarter of the budget
    scheduler = Scheduler(Metrics(), 0.0, maximum)
    scheduler.open = True
    jobs = [finishing_job(scheduler, str(n)) for n in range(4)]

    assert not next_starts(scheduler)
    scheduler.mark_collected(jobs[0], 10)
    assert not next_starts(scheduler)  # ten bytes too many
    scheduler.mark_collected(jobs[1], 0)
    assert next_starts(scheduler)


async def test_no_task_starts_while_those_that_are_stored_have_large_messages():
    scheduler = Scheduler(Metrics(), 0.0, 1000)
    scheduler.open = True
    jobs = [finishing_job(scheduler, str(n), "x" * MEBIBYTE) for n in range(3)]

    assert not next_starts(scheduler)
    scheduler.mark_stored(jobs[0])
    assert next_starts(scheduler)


async def test_fewer_messages_are_received_the_larger_they_are():
    scheduler = Scheduler(Metrics(), 0.0, 1000)
    assert scheduler.message_room == 20

    for size in (MEBIBYTE, 2 * MEBIBYTE):
        body = "x" * size
        scheduler.add(Job(Message("", "", body, 1, 0.0, 0.0, "", {}), task("a", {}), None, 0.0))

    assert scheduler.message_room == 1
    finishing = Scheduler(Metrics(), 0.0, 1000)
    finishing.open = True
    finishing_job(finishing, "large", "x" * MEBIBYTE)
    assert finishing.message_room == 5  # what finishes does not wait, but the next may be as large


async def test_bytes_are_taken_in_the_order_of_asking_and_a_large_task_is_not_overtaken():
    budget, order = ByteBudget(100), list[str]()

    async def taking(name: str, size: int) -> None:
        room = await budget.take(size)
        order.append(name)
        await asyncio.sleep(0.01)
        room.shrink(0)

    await asyncio.gather(taking("first", 60), taking("large", 90), taking("small", 10), taking("nothing", 0))

    assert order == ["first", "nothing", "large", "small"]


async def test_what_a_task_does_not_need_any_more_is_there_for_others():
    budget = ByteBudget(100)
    room = await budget.take(90)
    waiting = asyncio.ensure_future(budget.take(60))
    await asyncio.sleep(0)
    assert not waiting.done()

    room.shrink(40)
    room.shrink(70)  # nothing: it has less already

    assert (await waiting).size == 60


async def test_a_task_that_gives_up_waiting_lets_the_next_one_go():
    budget = ByteBudget(100)
    room = await budget.take(50)
    large, small = asyncio.ensure_future(budget.take(80)), asyncio.ensure_future(budget.take(50))
    await asyncio.sleep(0)
    large.cancel()
    await asyncio.wait_for(small, 1)
    room.shrink(0)
    (await small).shrink(0)

    assert (await asyncio.wait_for(budget.take(100), 1)).size == 100


async def test_more_than_the_whole_budget_counts_as_the_whole():
    assert (await ByteBudget(100).take(1000)).size == 100
