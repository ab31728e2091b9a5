"""`generator models pull` against sites that behave as Hugging Face and Civitai do, and an S3 emulator."""

import pytest

from generator.errors import Exit
from testing import model_files as files
from testing.model_sites import COMMIT, TOKEN
from tests.models.conftest import CHECKPOINT, KEY, NAME, SOURCE, STYLE, Ground, sha256


def test_a_file_gets_into_the_folder_of_its_type_with_a_record(ground: Ground, small: bytes) -> None:
    assert ground.pull(CHECKPOINT) == Exit.DONE, ground.err

    assert ground.stored(KEY) == small
    record = ground.record(KEY)
    assert record["sha256"] == sha256(small)
    assert record["license"] == "openrail++"
    assert record["revision"] == COMMIT
    assert record["contents"].startswith("SDXL checkpoint, F16")
    metadata = ground.s3.head_object(Bucket=ground.bucket, Key=KEY)["Metadata"]
    assert metadata == {"source": SOURCE, "license": "openrail++", "sha256": sha256(small)}
    assert "license: openrail++" in ground.out and "holds: SDXL checkpoint" in ground.out


def test_a_file_in_a_repository_may_have_spaces_in_its_name(ground: Ground) -> None:
    ground.sites.files["my turbo.safetensors"] = content = files.model(files.SDXL)
    source = f"hf://stabilityai/sdxl-turbo@{COMMIT}/my turbo.safetensors"

    assert ground.pull({"source": source, "type": "checkpoint"}) == Exit.DONE, ground.err
    key = KEY.replace(NAME, "my turbo.safetensors")
    assert ground.stored(key) == content
    assert ground.record(key)["source"] == source


def test_a_large_file_is_uploaded_in_parts(ground: Ground, large: bytes) -> None:
    assert ground.pull(CHECKPOINT) == Exit.DONE, ground.err

    assert ground.stored(KEY) == large
    assert ground.s3.head_object(Bucket=ground.bucket, Key=KEY)["ETag"].endswith('-3"')
    assert ground.record(KEY)["sha256"] == sha256(large)
    assert not ground.s3.list_multipart_uploads(Bucket=ground.bucket).get("Uploads")


def test_a_file_that_is_there_is_not_read_again(ground: Ground, large: bytes) -> None:
    ground.pull(CHECKPOINT)
    ground.sites.requests.clear()

    assert ground.pull(CHECKPOINT) == Exit.DONE
    assert "present" in ground.out
    assert ground.sites.sent() == 0 and len(large) > 0


def test_bytes_with_another_checksum_are_not_stored(ground: Ground, large: bytes) -> None:
    ground.sites.published[NAME] = "0" * 64

    assert ground.pull(CHECKPOINT) == Exit.CONFIG
    assert f"the SHA-256 is {sha256(large)}, not {'0' * 64}: nothing was stored" in ground.err
    assert KEY not in ground.stored_keys()
    assert not ground.s3.list_multipart_uploads(Bucket=ground.bucket).get("Uploads")


def test_a_gated_file_needs_a_token_and_says_how(ground: Ground, small: bytes) -> None:
    ground.sites.gated.add(NAME)

    assert ground.pull(CHECKPOINT) == Exit.CONFIG and small
    assert "does not give" in ground.err and "(401)" in ground.err
    assert "create a token at https://huggingface.co/settings/tokens, and set HF_TOKEN" in ground.err


def test_the_token_goes_to_its_site_alone_and_is_printed_nowhere(
    ground: Ground, small: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground.sites.gated.add(NAME)
    monkeypatch.setenv("HF_TOKEN", TOKEN)

    assert ground.pull(CHECKPOINT) == Exit.DONE, ground.err
    assert ground.stored(KEY) == small
    with_token = {one.host for one in ground.sites.requests if "authorization" in one.headers}
    assert with_token == {ground.sites.hugging_face.removeprefix("https://")}
    assert any(one.host == ground.sites.storage.removeprefix("https://") for one in ground.sites.requests)
    stored = ground.stored(f"{KEY}.source.json").decode()
    assert TOKEN not in ground.out + ground.err + stored
    assert "signature" not in ground.out + ground.err + stored


def test_a_file_from_civitai_is_verified_and_its_permissions_are_named(ground: Ground, style: bytes) -> None:
    assert ground.pull(STYLE) == Exit.DONE, ground.err

    assert ground.stored("Lora/styles/style.safetensors") == style
    record = ground.record("Lora/styles/style.safetensors")
    assert record["sha256"] == sha256(style)
    expected = "Civitai: commercial use Image; no credit needed; no derivatives; same permissions"
    assert record["license"] == expected
