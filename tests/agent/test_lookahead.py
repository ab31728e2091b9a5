"""When tasks are taken ahead, and which runs next."""

from dataclasses import replace

import pytest
from queue_agent.aws.queue import Message
from queue_agent.flow.job import Job
from queue_agent.flow.lookahead import (
    HOLD_SECONDS,
    MAX_AHEAD,
    Pace,
    Snapshot,
    choose,
    held_too_long,
    plan,
    remaining,
)
from queue_agent.flow.scheduler import Scheduler
from queue_agent.ops.metrics import Metrics

from tests.agent.adapters.conftest import task

STEADY = Snapshot(Pace(run=10.0, preparation=0.2), running_for=1.0, progress=0.0, ahead=0)


def test_nothing_is_taken_while_the_running_task_has_long_to_go():
    assert plan(STEADY).receive == 0


def test_it_looks_again_when_the_running_task_is_about_to_end():
    assert plan(STEADY).check_after == pytest.approx(8.0)


def test_one_is_taken_when_the_running_task_is_about_to_end():
    assert plan(replace(STEADY, running_for=9.5)).receive == 1


def test_progress_counts_more_than_the_average():
    assert plan(replace(STEADY, running_for=1.0, progress=0.9)).receive == 1


def test_progress_that_was_heard_a_while_ago_still_says_when_the_task_ends():
    halfway = replace(STEADY, running_for=7.0, progress=0.5, progress_age=3.0)

    assert remaining(halfway) == pytest.approx(1.0)


def test_short_tasks_are_taken_several_at_once_but_never_without_bound():
    short = Snapshot(Pace(run=0.05, preparation=0.19), running_for=0.0, progress=0.0, ahead=0)

    assert plan(short).receive == 9
    assert plan(replace(short, ahead=5)).receive == 0
    assert plan(replace(short, pace=Pace(run=0.0001, preparation=5.0))).receive == MAX_AHEAD


def test_short_tasks_do_not_cost_a_call_each_while_work_is_at_hand():
    short = Snapshot(Pace(run=0.05, preparation=0.19), running_for=0.01, progress=0.0, ahead=4)

    assert plan(short).receive == 5


def test_one_longer_task_is_taken_at_a_time():
    longer = Snapshot(Pace(run=0.3, preparation=0.19), running_for=0.05, progress=0.0, ahead=0)

    assert plan(longer).receive == 1


def test_a_run_that_loads_its_model_does_not_predict_the_next():
    pace = Pace(run=0.3)

    assert pace.after_run(2.3, with_load=True) == pace
    assert Pace().after_run(2.3, with_load=True).run == 2.3
    assert Pace().after_run(2.3, with_load=True).after_run(0.3).run == 0.3
    assert Pace().after_run(2.3, with_load=True).after_run(0.3).after_run(0.5).run == pytest.approx(0.36)


async def test_the_first_run_of_another_model_does_not_change_the_pace() -> None:
    scheduler = Scheduler(Metrics(), 30.0, 1000)
    scheduler.open = True
    for name, model in (("one", "a"), ("two", "a"), ("three", "b")):
        plain = replace(task("text-to-image", {}), id=name)
        job = Job(Message(name, "", "", 1, 0.0, 0.0, "", {}), plain, model, 0.0)
        scheduler.add(job)
        scheduler.prepare_next(any_model=True)
        scheduler.mark_ready(job, 0.1)
        job.started -= {"one": 2.3, "two": 0.3, "three": 2.3}[name]
        scheduler.mark_ran(job)
        scheduler.remove(job)

    assert scheduler.snapshot.pace.run == pytest.approx(0.3, abs=0.1)


def test_it_looks_again_when_a_preparation_becomes_late():
    preparing = replace(STEADY, running_for=None, ahead=1, late_in=0.4)

    assert plan(preparing).receive == 0
    assert plan(preparing).check_after == pytest.approx(0.4)
    assert plan(replace(STEADY, late_in=0.4)).check_after == pytest.approx(0.4)


def test_an_idle_agent_takes_one():
    assert plan(replace(STEADY, running_for=None)).receive == 1


def test_one_more_is_taken_while_the_duration_of_tasks_is_unknown():
    first = Snapshot(Pace(), running_for=0.0, progress=0.0, ahead=0)

    assert plan(first).receive == 1
    assert plan(replace(first, ahead=1)).receive == 0


def test_an_agent_that_has_run_nothing_prepares_two_tasks_at_once():
    idle = Snapshot(Pace(), running_for=None, progress=0.0, ahead=0)

    assert [plan(replace(idle, ahead=ahead)).receive for ahead in (0, 1, 2)] == [2, 1, 0]


def test_nothing_is_taken_behind_a_task_that_takes_far_longer_than_the_others():
    late = replace(STEADY, running_for=10 + HOLD_SECONDS + 1)

    assert remaining(late) is None
    assert plan(late).receive == 0


def test_what_is_held_behind_such_a_task_goes_back_unless_it_has_been_given_back_often():
    late = replace(STEADY, running_for=10 + HOLD_SECONDS + 1)

    assert held_too_long(late, waited=HOLD_SECONDS + 1, delivery=1, max_attempts=5, grouping=0)
    assert not held_too_long(late, waited=HOLD_SECONDS - 1, delivery=1, max_attempts=5, grouping=0)
    assert not held_too_long(late, waited=HOLD_SECONDS + 1, delivery=3, max_attempts=5, grouping=0)
    assert not held_too_long(STEADY, waited=HOLD_SECONDS - 1, delivery=1, max_attempts=5, grouping=0)


def test_a_task_for_the_loaded_checkpoint_goes_first():
    assert choose(["b", "a"], [1.0, 0.5], loaded="a", limit=30) == 1


def test_a_task_that_has_waited_for_the_limit_goes_before_it():
    assert choose(["b", "a"], [30.0, 0.5], loaded="a", limit=30) == 0


def test_none_goes_when_all_want_another_checkpoint_and_none_has_waited_long():
    assert choose(["b"], [1.0], loaded="a", limit=30) is None


def test_a_task_for_no_checkpoint_fits_any():
    assert choose([None, "a"], [1.0, 1.0], loaded="a", limit=30) == 0


def test_a_task_of_high_priority_goes_before_one_for_the_loaded_checkpoint_and_the_longest_waiting():
    high = [False, False, True, True]
    assert choose(["a", "b", "c", "a"], [99.0, 1.0, 0.5, 0.1], loaded="a", limit=30, high=high) == 2
