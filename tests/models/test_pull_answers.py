"""Answers that no site should give: none becomes a model file, a wrong record, or a bug of the command."""

import os

import pytest

from generator.errors import Exit
from testing import model_files as files
from tests.models.conftest import CHECKPOINT, KEY, NAME, PART, STYLE, Ground, sha256

pytestmark = pytest.mark.thorough


def by_url(ground: Ground) -> dict[str, str]:
    """A file of which nobody knows the checksum."""
    return {"source": f"{ground.sites.storage}/{NAME}", "type": "checkpoint"}


def uploads(ground: Ground) -> list[str]:
    listed = ground.s3.list_multipart_uploads(Bucket=ground.bucket).get("Uploads", ())
    return [entry["UploadId"] for entry in listed]


@pytest.mark.parametrize(("status", "code"), [(403, Exit.CONFIG), (404, Exit.CONFIG), (500, Exit.AWS)])
def test_the_body_of_an_error_is_not_stored_as_a_model(
    ground: Ground, large: bytes, status: int, code: Exit
) -> None:
    ground.sites.faults.ranges = False
    ground.sites.faults.later = (status, b"E" * len(large))

    assert ground.pull({**by_url(ground), "file": "turbo.ckpt"}) == code
    assert f"({status})" in ground.err or f"answers {status}" in ground.err
    assert ground.stored_keys() == []


def test_a_file_that_grows_while_it_is_read_is_not_stored(ground: Ground, large: bytes) -> None:
    ground.sites.faults.ranges = False
    ground.sites.faults.later = (200, large + b"more")

    assert ground.pull(by_url(ground)) == Exit.CONFIG
    assert "the file changed at its source while it was read" in ground.err
    assert KEY not in ground.stored_keys() and uploads(ground) == []


@pytest.mark.parametrize("location", ["https://[bad/x", "https://h:99999/x", "//[::1"])
def test_a_redirect_to_what_is_no_address_is_refused(ground: Ground, small: bytes, location: str) -> None:
    ground.sites.faults.redirect = location

    assert ground.pull(CHECKPOINT) == Exit.CONFIG and small
    assert "127.0.0.1 redirects to what is no address" in ground.err


@pytest.mark.parametrize("token", ["hf_a\nb", "hf_ü", "Bearer hf_a"])
def test_a_token_that_no_request_can_have_is_named_and_not_shown(
    ground: Ground, small: bytes, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)

    assert ground.pull(CHECKPOINT) == Exit.CONFIG and small
    assert "HF_TOKEN has white space or a character that no token has" in ground.err
    assert "hf_" not in ground.err


@pytest.mark.parametrize("address", ["huggingface.co", "https://[x", "ftp://huggingface.co", "https://"])
def test_an_address_of_a_site_that_is_none_is_named(
    ground: Ground, small: bytes, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", address)

    assert ground.pull(CHECKPOINT) == Exit.CONFIG and small
    assert "write it as in HF_ENDPOINT=https://huggingface.co" in ground.err


@pytest.mark.parametrize("size", ["9" * 5000, "-5", "many"])
def test_a_size_that_is_no_number_is_not_believed(ground: Ground, small: bytes, size: str) -> None:
    ground.sites.faults.headers = {"X-Linked-Size": size}

    assert ground.pull(CHECKPOINT) == Exit.DONE, ground.err
    assert ground.stored(KEY) == small


@pytest.mark.parametrize("card", [b"[" * 100_000, b'{"tags": 5}', b'{"tags": [null, {}]}', b"null", b"{"])
def test_a_card_that_cannot_be_read_names_no_license(ground: Ground, small: bytes, card: bytes) -> None:
    ground.sites.faults.card = (200, card)

    assert ground.pull(CHECKPOINT) == Exit.DONE, ground.err
    assert "license: not named" in ground.out and small


def test_a_license_that_cannot_be_asked_now_is_not_recorded_as_none(ground: Ground, small: bytes) -> None:
    ground.sites.faults.card = (429, b"")

    assert ground.pull(CHECKPOINT) == Exit.AWS and small
    assert "in HF_TOKEN the site allows more requests" in ground.err
    assert ground.stored_keys() == []


def test_texts_of_a_site_cannot_steer_the_terminal(ground: Ground, small: bytes) -> None:
    ground.sites.card = {"license": "\x1b[31mmit\nsha256: 0"}
    assert ground.pull(CHECKPOINT) == Exit.DONE and small
    assert "license:  [31mmit sha256: 0" in ground.out

    ground.sites.faults.status, ground.sites.faults.headers = 404, {"X-Error-Message": "\x1b]0;title\x07gone"}
    assert ground.pull(CHECKPOINT) == Exit.CONFIG
    assert "help:  ]0;title gone" in ground.err


@pytest.mark.parametrize(
    ("said", "license"),
    [
        ("Sell", "commercial use Sell"),
        (["Image", "\x1b]0;gone\x07"], "commercial use Image,  ]0;gone "),
        (True, "no commercial use"),
        ([None, 3], "no commercial use"),
        (None, "no commercial use"),
    ],
)
def test_odd_permissions_of_civitai_are_none(
    ground: Ground, style: bytes, said: object, license: str
) -> None:
    ground.sites.commercial_use = said

    assert ground.pull(STYLE) == Exit.DONE and style
    assert ground.record("Lora/styles/style.safetensors")["license"].startswith(f"Civitai: {license};")


@pytest.mark.parametrize("listed", [5, {"a": 1}, [None], None])
def test_a_version_without_a_list_of_files_has_no_such_file(
    ground: Ground, style: bytes, listed: object
) -> None:
    ground.sites.versions[128078]["files"] = listed

    assert ground.pull(STYLE) == Exit.CONFIG and style
    assert "has no such file" in ground.err


def test_what_is_not_a_model_leaves_nothing_in_the_bucket(ground: Ground) -> None:
    ground.sites.files[NAME] = os.urandom(3 * PART)

    assert ground.pull(CHECKPOINT) == Exit.CONFIG
    assert ground.stored_keys() == [] and uploads(ground) == []


@pytest.mark.parametrize("size", [5 * PART // 2, 4 * PART, PART // 2], ids=["same", "larger", "one-part"])
def test_an_upload_of_another_file_is_dropped_not_continued(ground: Ground, large: bytes, size: int) -> None:
    ground.sites.faults.dead_from = 2 * PART
    assert ground.pull(CHECKPOINT) == Exit.AWS and large
    assert len(uploads(ground)) == 1

    ground.sites.faults.dead_from = None
    ground.sites.files[NAME] = changed = files.padded(files.SDXL, size)[:-1] + b"z"
    assert ground.pull(CHECKPOINT) == Exit.DONE, ground.err
    assert ground.stored(KEY) == changed
    # S3 keeps the metadata with which an upload began.
    stored = ground.s3.head_object(Bucket=ground.bucket, Key=KEY)["Metadata"]["sha256"]
    assert stored == ground.record(KEY)["sha256"] == sha256(changed)
    assert uploads(ground) == []


def test_a_damaged_file_is_not_taken_for_its_copy_when_overwriting_was_interrupted(
    ground: Ground, large: bytes
) -> None:
    ground.s3.put_object(Bucket=ground.bucket, Key=KEY, Body=b"d" * len(large))
    ground.sites.faults.dead_from = 2 * PART
    assert ground.pull(by_url(ground), flags=("--overwrite",)) == Exit.AWS

    ground.sites.faults.dead_from = None
    assert ground.pull(by_url(ground)) == Exit.DONE, ground.err
    assert ground.stored(KEY) == large


def test_a_file_that_came_while_a_copy_was_interrupted_is_not_taken_for_it(
    ground: Ground, large: bytes
) -> None:
    ground.sites.faults.dead_from = 2 * PART
    assert ground.pull(by_url(ground)) == Exit.AWS
    ground.s3.put_object(Bucket=ground.bucket, Key=KEY, Body=b"d" * len(large))

    ground.sites.faults.dead_from = None
    assert ground.pull(by_url(ground)) == Exit.CONFIG
    assert "another file with this name is in the bucket" in ground.err
