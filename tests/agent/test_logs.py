import json
import logging

from queue_agent.ops.logs import JsonLines


def line(**extra: object) -> dict[str, object]:
    record = logging.makeLogRecord(
        {"name": "queue_agent", "levelno": 20, "levelname": "INFO", "msg": "task ended", **extra}
    )
    return json.loads(JsonLines().format(record))


def test_an_event_is_one_line_of_json_with_what_came_with_it():
    entry = line(task="cat", created=0.25, msecs=250)

    assert entry == {
        "time": "1970-01-01T00:00:00.250Z",
        "level": "info",
        "event": "task ended",
        "task": "cat",
    }


def test_a_value_that_json_does_not_know_does_not_lose_the_line():
    assert line(task=object())["task"].startswith("<object")


def test_a_traceback_stays_on_the_line():
    try:
        raise ValueError("a\nb")
    except ValueError as fault:
        entry = line(exc_info=(type(fault), fault, fault.__traceback__))

    assert "ValueError: a\nb" in entry["traceback"]
