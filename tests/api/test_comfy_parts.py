"""The parts of the Comfy API v2 that need no AWS: forms, ids, labels, workflows, events."""

from typing import Any

import pytest

from api import comfy_events, comfy_ids, comfy_workflow, multipart
from api.comfy_errors import ComfyError

TYPE = "multipart/form-data; boundary=b"


def test_a_form_keeps_the_bytes_of_its_file() -> None:
    data = b"\r\n--a\r\n\r\n\x00\xff--b\n\r"
    head = b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n y \r\n--b\r\n'
    named = b'Content-Disposition: form-data; name="file"; filename="\xc3\xa9.png"\r\n'
    file = named + b"Content-Type: image/png\r\n\r\n"

    parts = multipart.form_parts(head + file + data + b"\r\n--b--\r\n", TYPE)

    assert [part.name for part in parts] == ["x", "file"]
    assert (parts[0].text, parts[1].content_type, parts[1].data) == ("y", "image/png", data)


def test_a_part_without_a_name_is_passed_over() -> None:
    assert multipart.form_parts(b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--", TYPE) == []


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"--b--", "application/json"),
        (b"--b--", "multipart/form-data"),
        (b"", TYPE),
        (b"--b\r\nContent-Disposition: form-data; name=x\r\n\r\nno end", TYPE),
        (b"--b\r\nno headers\r\n--b--", TYPE),
    ],
)
def test_what_is_not_a_form_is_refused(body: bytes, content_type: str) -> None:
    with pytest.raises(ValueError, match=r"form|boundary"):
        multipart.form_parts(body, content_type)


def test_an_id_says_what_it_is_of() -> None:
    job, upload = comfy_ids.new_job_id(), comfy_ids.asset_id_of("owner", "ab")

    assert comfy_ids.is_job_id(job)
    assert not comfy_ids.is_upload_id(job)
    assert comfy_ids.job_of_output(job) is None
    assert comfy_ids.job_of_output(comfy_ids.output_id(job, 300)) == (job, 300)
    assert comfy_ids.is_upload_id(upload)
    assert not comfy_ids.is_job_id(upload)
    assert comfy_ids.asset_id_of("another", "ab") != upload
    assert comfy_ids.job_id_of_key("a", "r", "k") == comfy_ids.job_id_of_key("a", "r", "k")
    assert len({comfy_ids.job_id_of_key(*key) for key in ("ark", "brk", "ask", "arl")}) == 4


@pytest.mark.parametrize("text", ["", "..", "../x", "a" * 36, "7F3D2C1B-9A8E-4D6F-B012-3C4D5E6F0000", "x\n"])
def test_other_texts_are_ids_of_nothing(text: str) -> None:
    assert not comfy_ids.is_job_id(text)
    assert not comfy_ids.is_upload_id(text)
    assert comfy_ids.job_of_output(text) is None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ([], "invalid_request"),
        ({}, "invalid_workflow"),
        ({"workflow": {}}, "invalid_workflow"),
        ({"workflow": []}, "invalid_workflow"),
        ({"workflow": {}, "webhook_url": "x"}, "invalid_workflow"),
        ({"workflow": {}, "inputs": None}, "invalid_workflow"),
        ({"workflow": {}, "priority": 1}, "invalid_request"),
        ({"workflow": {}, "extra_data": {}}, "invalid_request"),
        ({"workflow": {}, "extra_data": {"api_key_comfy_org": 1}}, "invalid_request"),
        ({"workflow": {}, "extra_data": {"api_key_comfy_org": "k", "x": 1}}, "invalid_request"),
        ({"workflow": {}, "metadata": "label"}, "metadata_invalid"),
        ({"workflow": {}, "metadata": {"a": 1}}, "metadata_invalid"),
        ({"workflow": {}, "metadata": {"": "x"}}, "metadata_invalid"),
        ({"workflow": {}, "metadata": {"a": "\u202e"}}, "metadata_invalid"),
        ({"workflow": {}, "metadata": {"a": "x" * 513}}, "metadata_invalid"),
        ({"workflow": {}, "metadata": {str(n): "x" for n in range(17)}}, "metadata_invalid"),
    ],
)
def test_a_submission_that_is_wrong_says_how(body: Any, code: str) -> None:
    with pytest.raises(ComfyError) as error:
        comfy_workflow.check_job(body)

    assert error.value.code == code


def job(status: str, value: float | None = None, outputs: tuple[str, ...] = ()) -> dict[str, Any]:
    progress = None if value is None else {"value": value}
    return {"status": status, "progress": progress, "outputs": [{"id": name} for name in outputs]}


def kinds(text: str) -> list[str]:
    return [line.removeprefix("event: ") for line in text.splitlines() if line.startswith("event: ")]


def test_a_stream_ends_with_the_first_change() -> None:
    states = iter([job("queued"), job("running", 0.1), job("running", 0.2)])
    pauses: list[float] = []

    text = comfy_events.event_stream(job("queued"), lambda: next(states), pauses.append)

    assert kinds(text) == ["status", "status", "progress"]
    assert len(pauses) == 2


def test_a_stream_of_a_job_that_does_not_change_ends_before_the_function_does() -> None:
    pauses: list[float] = []

    text = comfy_events.event_stream(job("queued"), lambda: job("queued"), pauses.append)

    assert kinds(text) == ["status"]
    assert sum(pauses) <= 15


def test_the_terminal_status_comes_after_the_outputs() -> None:
    text = comfy_events.event_stream(job("succeeded", 1.0, ("a", "b")), lambda: job(""), lambda _: None)

    assert kinds(text) == ["progress", "output", "output", "status"]
