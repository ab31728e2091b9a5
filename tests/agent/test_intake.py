import pytest
from queue_agent.aws.claims import Busy
from queue_agent.flow.intake import MAX_RETRY_AFTER_SECONDS, retry_after


def test_a_message_whose_own_task_is_held_comes_back_when_the_lease_ends():
    assert retry_after(Busy(until=150, same_message=True), attempt=4, now=100, visibility=120) == 51


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 120), (2, 240), (3, 480), (9, MAX_RETRY_AFTER_SECONDS)])
def test_a_second_message_for_a_task_at_work_comes_back_later_each_time(attempt: int, seconds: float):
    assert retry_after(Busy(until=150, same_message=False), attempt, now=100, visibility=120) == seconds
