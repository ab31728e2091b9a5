"""Callbacks, and the records that are stored."""

import json
import math
from dataclasses import replace

import pytest
from queue_agent.aws.callbacks import PAYLOAD_MAX_BYTES, Links, payload
from queue_agent.task.protocol import CONTEXT_MAX_BYTES, canonical_json
from queue_agent.task.record import (
    ERROR_MAX_CHARACTERS,
    Error,
    StoredOutput,
    TaskRecord,
    callback,
    from_json,
    to_json,
)

DONE = TaskRecord(
    runtime="painter",
    id="cat",
    status="completed",
    output_url="s3://b/cat/result.json",
    context={"user": 7},
    attempt=1,
    image_url=("s3://b/cat/cat-1.png",),
    duration=1.5,
    seed=42,
    model="m",
    outputs=(StoredOutput("cat/cat-1.png", "image/png", 3, "ab", "image", {"parameters": "x"}),),
    metadata={"a": [1]},
    request_sha256="cd",
    started=1.0,
    finished=2.5,
)


def test_a_record_read_back_is_the_one_that_was_written():
    failed = replace(DONE, status="failed", error=Error("timeout", "too long"), message_id="m", outputs=())

    assert [from_json(to_json(record)) for record in (DONE, failed)] == [DONE, failed]


def test_data_of_another_format_is_not_a_record():
    assert [from_json(data) for data in (b"", b"[]", b"{}", b'{"result": 1, "image_url": 3}')] == [None] * 4


def test_a_callback_has_the_fields_of_the_reference_system_and_ours():
    assert callback(DONE) == {
        "runtime": "painter",
        "id": "cat",
        "result": True,
        "status": "completed",
        "image_url": ["s3://b/cat/cat-1.png"],
        "output_url": "s3://b/cat/result.json",
        "context": {"user": 7},
        "attempt": 1,
        "duration": 1.5,
        "seed": 42,
        "model": "m",
    }


def test_a_callback_for_thousands_of_images_fits_sns_and_says_that_it_is_cut():
    many = replace(DONE, image_url=tuple(f"s3://b/{'p' * 250}/cat-{n}.png" for n in range(5000)))

    text = payload(many)

    assert len(text.encode()) <= PAYLOAD_MAX_BYTES
    fields = json.loads(text)
    assert fields["image_url_truncated"] is True and len(fields["image_url"]) > 900


def test_the_links_that_a_sender_asked_for_are_an_addition():
    plain, linked = (
        json.loads(payload(DONE)),
        json.loads(payload(DONE, Links(["https://a/1", "https://a/2"]))),
    )

    assert linked == {**plain, "images": ["https://a/1", "https://a/2"]}


def test_links_that_do_not_fit_are_left_out_and_it_says_so():
    text = payload(DONE, Links([f"https://a/{n}?{'s' * 1500}" for n in range(300)]))

    fields = json.loads(text)
    assert len(text) <= PAYLOAD_MAX_BYTES
    assert fields["images_truncated"] is True and 100 < len(fields["images"]) < 300
    assert fields["image_url"] == ["s3://b/cat/cat-1.png"]


WIDE = "\U0001f600"  # twelve bytes as JSON


def test_a_callback_whose_every_field_is_as_long_as_allowed_fits_sns():
    numbers = [1] * ((CONTEXT_MAX_BYTES - 1) // 2)  # as compact JSON; the callback has a space after each
    assert len(canonical_json(numbers)) == CONTEXT_MAX_BYTES - 1
    longest = replace(
        DONE,
        id="i" * 64,
        context=numbers,
        model=WIDE * 1_000_000,
        error=Error("runtime_error", WIDE * 1_000_000),
        output_url=f"s3://{'b' * 63}/{'p' * 256}/{'i' * 64}/result.json",
        image_url=tuple(f"s3://b/{'p' * 250}/cat-{n}.png" for n in range(5000)),
        seed=10**4000,
    )

    text = payload(longest)

    assert len(text.encode()) <= PAYLOAD_MAX_BYTES
    assert json.loads(text)["context"] == numbers and len(json.loads(text)["image_url"]) > 100


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_does_not_have_is_null_in_the_result(number: float):
    text = to_json(replace(DONE, metadata={"a": [{"loss": number}, (1.5, number)]}))

    document = json.loads(text, parse_constant=pytest.fail)
    assert document["metadata"] == {"a": [{"loss": None}, [1.5, None]]}


def test_a_long_error_is_cut():
    fields = callback(replace(DONE, status="failed", error=Error("x", "y" * 100_000)))

    assert len(fields["error"]["message"]) == ERROR_MAX_CHARACTERS
