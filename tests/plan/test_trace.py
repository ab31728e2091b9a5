"""Arrivals of tasks in a CSV file, and the place of everything that is wrong with one."""

import pytest

from generator.scaling import trace
from generator.scaling.trace import TraceError, TraceTask

RUNTIMES = {"sdxl", "flux"}


@pytest.mark.parametrize(
    ("text", "tasks"),
    [
        ("timestamp,runtime\n10,sdxl\n12.5,flux\n", [(0, "sdxl", None), (2.5, "flux", None)]),
        ("runtime,seconds,timestamp\nsdxl,4.2,100\n", [(0, "sdxl", 4.2)]),
        ("5,sdxl\n3,flux,8\n", [(0, "flux", 8), (2, "sdxl", None)]),
        ("\ufeffTimestamp,Runtime,Seconds\r\n1,sdxl,\r\n\r\n", [(0, "sdxl", None)]),
        (
            "timestamp,runtime\n2026-11-27T09:30:00Z,sdxl\n2026-11-27T10:31:00+01:00,flux\n",
            [(0, "sdxl", None), (60, "flux", None)],
        ),
        ("2026-11-27 09:30:00,sdxl\n2026-11-27 09:30:01.5,sdxl\n", [(0, "sdxl", None), (1.5, "sdxl", None)]),
        ('timestamp,runtime\n"1","sdxl"\n', [(0, "sdxl", None)]),
        ("timestamp;runtime;seconds\n1;sdxl;4.2\n", [(0, "sdxl", 4.2)]),
        ("1\tsdxl\n2\tflux\n", [(0, "sdxl", None), (1, "flux", None)]),
        (
            "2026-11-27 09:30:00 UTC,sdxl\n2026-11-27 09:30:02.5 UTC,sdxl\n",
            [(0, "sdxl", None), (2.5, "sdxl", None)],
        ),
    ],
)
def test_a_trace_is_read(text: str, tasks: list[tuple[float, str, float | None]]) -> None:
    assert trace.parse(text, RUNTIMES).tasks == tuple(TraceTask(*task) for task in tasks)


def test_without_names_any_runtime_is_taken() -> None:
    assert trace.parse("0,anything\n").tasks == (TraceTask(0, "anything"),)


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("", 1, 1, "no tasks"),
        ("timestamp,runtime\n", 1, 1, "no tasks"),
        ("timestamp,runtime\n1,sdxl\nsoon,sdxl\n", 3, 1, "'soon' is not a time"),
        ("timestamp,runtime\n1,sdxl\n2,sd-xl\n", 3, 3, "no runtime 'sd-xl'"),
        ("timestamp,runtime,seconds\n1,sdxl,fast\n", 2, 8, "'fast' is not a number of seconds"),
        ("timestamp,runtime,seconds\n1,sdxl,0\n", 2, 8, "'0' is not a number of seconds"),
        ("timestamp,runtime,seconds\n1,sdxl,nan\n", 2, 8, "'nan' is not a number of seconds"),
        ("timestamp,runtime\ninf,sdxl\n", 2, 1, "'inf' is not a time"),
        ("timestamp,runtime\n1,sdxl,3\n", 2, 8, "3 cells instead of at most 2"),
        ("timestamp,runtime\n1\n", 2, 1, "the line has no runtime"),
        ("timestamp,model\n1,sdxl\n", 1, 11, "unknown column 'model'"),
        ("timestamp,runtime,runtime\n1,sdxl,sdxl\n", 1, 11, "column runtime is there twice"),
        ("timestamp,seconds\n1,2\n", 1, 11, "column runtime is missing"),
        ("@timestamp,runtime\n2026-11-27 09:30:00.000,sdxl\n", 1, 1, "unknown column '@timestamp'"),
        ("runtime,seconds\nsdxl,2\n", 1, 9, "column timestamp is missing"),
        ("timestamp,runtime\n1,sdxl\n2026-11-27,sdxl\n", 3, 1, "cannot be mixed"),
        ("2026-11-27T09:30:00Z,sdxl\n2026-11-27T09:31:00,sdxl\n", 2, 1, "cannot be mixed"),
        ("1764235800000,sdxl\n", 1, 1, "'1764235800000' is not a time: the unit is seconds"),
        ("1,sdxl,1e300\n", 1, 8, "'1e300' is not a number of seconds above 0, up to 43200"),
        ("1,sdxl,4,urgent\n", 1, 10, "'urgent' is not a priority"),
        ("1,sdxl\n40000000,sdxl\n", 2, 1, "the file spans 463 days; the maximum is 400"),
        ("0001-01-01T00:00:00+14:00,sdxl\n", 1, 1, "is not a time"),
        ("1," + "x" * 200_000 + "\n", 1, 1, "not a CSV file: field larger than field limit"),
    ],
)
def test_a_fault_has_its_place(text: str, line: int, column: int, message: str) -> None:
    with pytest.raises(TraceError) as raised:
        trace.parse(text, RUNTIMES)

    problem = raised.value.problems[0]
    assert (problem.line, problem.column) == (line, column)
    assert message in problem.message
    assert problem.help


def test_all_faults_are_listed_in_the_order_of_the_file_up_to_a_number() -> None:
    text = "timestamp,runtime\n" + "x,sdxl\n" * 30

    with pytest.raises(TraceError) as raised:
        trace.parse(text, RUNTIMES)

    assert [problem.line for problem in raised.value.problems] == list(range(2, 22))


def test_a_trace_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "MAX_TASKS", 2)

    with pytest.raises(TraceError, match="4:1: the file has 3 tasks; the maximum is 2"):
        trace.parse("timestamp,runtime\n1,sdxl\n2,sdxl\n3,sdxl\n", RUNTIMES)


def test_priority_is_high_only_where_the_line_says_so() -> None:
    tasks = trace.parse("1,sdxl,,high\n2,sdxl,,normal\n3,sdxl,,\n4,sdxl\n").tasks

    assert [task.high for task in tasks] == [True, False, False, False]


@pytest.mark.parametrize(
    ("time", "start"),
    [
        ("1970-01-02T00:00:00Z", 86400),
        ("1970-01-02T01:00:00+01:00", 86400),
        ("1970-01-02", 86400),
        ("1764235800", 1764235800),
        ("12.5", None),
    ],
)
def test_a_trace_with_dates_has_a_start(time: str, start: float | None) -> None:
    assert trace.parse(f"{time},sdxl\n").start == start
