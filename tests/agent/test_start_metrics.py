"""How long a start took: until the runtime was ready first, and until the first task ended."""

from queue_agent.ops.metrics import Metrics


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def value(metrics: Metrics, name: str) -> float | None:
    return metrics.registry.get_sample_value(f"queue_agent_{name}")


def test_the_first_time_of_each_counts() -> None:
    clock = Clock()
    metrics = Metrics(clock)
    for at, change in (
        (105.0, lambda: metrics.runtime_is(False)),
        (130.0, lambda: metrics.runtime_is(True)),
        (141.5, lambda: metrics.task_ended("completed", "")),
        (200.0, lambda: metrics.runtime_is(False)),
        (230.0, lambda: metrics.runtime_is(True)),
        (250.0, lambda: metrics.task_ended("failed", "invalid")),
    ):
        clock.now = at
        change()

    assert (value(metrics, "runtime_ready_seconds"), value(metrics, "first_task_seconds")) == (30, 41.5)
    assert value(metrics, "runtime_ready") == 1


def test_before_the_first_time_they_are_zero() -> None:
    metrics = Metrics(Clock())
    metrics.runtime_is(False)

    assert (value(metrics, "runtime_ready_seconds"), value(metrics, "first_task_seconds")) == (0, 0)
