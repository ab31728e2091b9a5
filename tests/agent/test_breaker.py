"""When the runtime must be restarted, from the outcomes of its tasks."""

import pytest
from queue_agent.contract import RuntimeUnavailable, TaskError
from queue_agent.flow.breaker import MAX_EXECUTION_ERRORS, MAX_UNAVAILABLE, Breaker

DOWN = RuntimeUnavailable("runtime_error", "it failed")
DEVICE = RuntimeUnavailable("device_error", "CUDA error", needs_restart=True)
Failure = TaskError | RuntimeUnavailable
FAULTY = TaskError("execution_error", "KSampler: ValueError")


def after(*failures: tuple[str, Failure], start: Breaker | None = None) -> Breaker:
    breaker = start or Breaker()
    for task_id, error in failures:
        breaker = breaker.after_failure(task_id, error)
    return breaker


def tasks(count: int, error: Failure) -> list[tuple[str, Failure]]:
    return [(f"t{n}", error) for n in range(count)]


def test_an_error_of_the_gpu_needs_a_restart_at_once():
    assert after(("a", DEVICE)).restart_reason == "device_error: CUDA error"


def test_different_tasks_that_fail_in_a_row_need_a_restart():
    assert not after(*tasks(MAX_UNAVAILABLE - 1, DOWN)).restart_reason
    assert after(*tasks(MAX_UNAVAILABLE, DOWN)).restart_reason == "runtime_error: it failed"


def test_one_task_that_fails_again_and_again_needs_none():
    assert not after(*[("a", DOWN)] * 10).restart_reason


def test_a_success_in_between_starts_the_count_again():
    breaker = after(*tasks(MAX_UNAVAILABLE - 1, DOWN)).after_success()

    assert not after(("x", DOWN), start=breaker).restart_reason


def test_a_success_does_not_mend_a_runtime_that_must_be_restarted():
    assert after(("a", DEVICE)).after_success().restart_reason


def test_a_runtime_that_fails_again_after_its_restart_is_restarted_again_at_once():
    breaker = after(("a", DEVICE)).after_restart()

    assert not breaker.restart_reason
    assert after(("b", DOWN), start=breaker).restart_reason
    assert not after(("b", DOWN), start=breaker.after_success()).restart_reason


def test_tasks_that_fail_while_they_run_need_one_restart_and_no_second():
    breaker = after(*tasks(MAX_EXECUTION_ERRORS, FAULTY))

    assert breaker.restart_reason
    assert not after(*tasks(20, FAULTY), start=breaker.after_restart()).restart_reason


@pytest.mark.parametrize("code", ["bad_workflow", "rejected", "input_not_image", "model_unknown"])
def test_tasks_that_are_refused_before_they_run_say_nothing_about_the_runtime(code: str):
    assert not after(*tasks(50, TaskError(code, ""))).restart_reason


def test_tasks_that_run_out_of_time_count_as_failed_while_they_ran():
    assert after(*tasks(MAX_EXECUTION_ERRORS, TaskError("timeout", ""))).restart_reason
