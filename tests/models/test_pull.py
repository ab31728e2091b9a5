"""`generator models pull` against sites that behave as Hugging Face and Civitai do, and an S3 emulator."""

import hashlib
import json
import os
from typing import Any

import pytest

from generator.errors import Exit
from generator.models.store import Record, Store
from generator.solution.model_file import ModelObject
from testing import model_files as files
from testing.model_sites import CIVITAI_TOKEN, COMMIT, TOKEN
from tests.models.conftest import PART, Ground

NAME = "turbo.safetensors"
SOURCE = f"hf://stabilityai/sdxl-turbo@{COMMIT}/{NAME}"
KEY = f"Stable-diffusion/{NAME}"
CHECKPOINT: dict[str, Any] = {"source": SOURCE, "type": "checkpoint"}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def small(ground: Ground) -> bytes:
    """A checkpoint of one part on Hugging Face."""
    ground.sites.files[NAME] = content = files.model(files.SDXL)
    return content


@pytest.fixture
def large(ground: Ground) -> bytes:
    """A checkpoint of three parts on Hugging Face."""
    ground.sites.files[NAME] = content = files.padded(files.SDXL, 5 * PART // 2)
    return content


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


def test_a_copy_that_was_interrupted_is_continued(ground: Ground, large: bytes) -> None:
    ground.sites.faults.dead_from = 2 * PART

    assert ground.pull(CHECKPOINT) == Exit.AWS
    assert "127.0.0.1 did not answer: Remote end closed connection without response" in ground.err
    [upload] = ground.s3.list_multipart_uploads(Bucket=ground.bucket)["Uploads"]
    sent = ground.s3.list_parts(Bucket=ground.bucket, Key=KEY, UploadId=upload["UploadId"])["Parts"]
    assert [part["PartNumber"] for part in sent] == [1, 2]
    assert KEY not in ground.stored_keys()

    ground.sites.faults.dead_from = None
    assert ground.pull(CHECKPOINT) == Exit.DONE, ground.err
    assert ground.stored(KEY) == large
    assert "upload" not in ground.record(KEY)


def test_parts_that_s3_has_are_not_sent_again(ground: Ground) -> None:
    store, part = Store(ground.s3, ModelObject(ground.bucket, KEY)), b"a" * PART
    begun = store.begin(Record(SOURCE))
    store.send(begun, 1, part)

    resumed = store.resume(begun.id)
    assert resumed is not None
    assert [store.send(resumed, number, part) for number in (1, 2)] == [False, True]
    assert store.send(resumed, 2, b"b" * PART)
    store.complete(resumed, 2)
    assert ground.stored(KEY) == part + b"b" * PART
    assert store.resume(begun.id) is None


@pytest.mark.parametrize("fault", ["truncated", "busy", "expired"])
def test_a_fault_that_passes_costs_only_another_attempt(ground: Ground, large: bytes, fault: str) -> None:
    setattr(ground.sites.faults, fault, 2)

    assert ground.pull(CHECKPOINT) == Exit.DONE, ground.err
    assert ground.stored(KEY) == large


def test_a_server_without_ranges_is_read_from_front_to_back(ground: Ground, large: bytes) -> None:
    ground.sites.faults.ranges = False

    assert ground.pull(CHECKPOINT) == Exit.DONE, ground.err
    assert ground.stored(KEY) == large


def test_a_file_that_is_cut_off_for_good_is_not_stored(ground: Ground, large: bytes) -> None:
    ground.sites.faults.truncated = 1000

    assert ground.pull(CHECKPOINT) == Exit.AWS and len(large) > 0
    assert KEY not in ground.stored_keys()


def test_bytes_with_another_checksum_are_not_stored(ground: Ground, large: bytes) -> None:
    ground.sites.published[NAME] = "0" * 64

    assert ground.pull(CHECKPOINT) == Exit.CONFIG
    assert f"the SHA-256 is {sha256(large)}, not {'0' * 64}: nothing was stored" in ground.err
    assert KEY not in ground.stored_keys()
    assert not ground.s3.list_multipart_uploads(Bucket=ground.bucket).get("Uploads")


def test_a_checksum_of_the_config_that_the_source_contradicts_stops_it_before_a_byte(
    ground: Ground, small: bytes
) -> None:
    assert ground.pull({**CHECKPOINT, "sha256": "1" * 64}) == Exit.CONFIG and small

    assert "the source publishes the SHA-256" in ground.err
    assert ground.sites.sent() == 0


def test_a_gated_file_needs_a_token_and_says_how(ground: Ground, small: bytes) -> None:
    ground.sites.gated.add(NAME)

    assert ground.pull(CHECKPOINT) == Exit.CONFIG and small
    assert "does not give" in ground.err and "(401)" in ground.err
    assert "create a token at https://huggingface.co/settings/tokens, and set HF_TOKEN" in ground.err


def test_a_token_without_access_says_so(
    ground: Ground, small: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground.sites.gated.add(NAME)
    monkeypatch.setenv("HF_TOKEN", "hf_another")

    assert ground.pull(CHECKPOINT) == Exit.CONFIG and small
    assert "with the account of HF_TOKEN" in ground.err
    assert "hf_another" not in ground.out + ground.err


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


def test_a_dry_run_asks_and_writes_nothing(ground: Ground, small: bytes) -> None:
    [row] = ground.json(CHECKPOINT, flags=("--dry-run",))

    assert (row["outcome"], row["sha256"], row["size"]) == ("would copy", sha256(small), len(small))
    assert (row["license"], row["revision"]) == ("openrail++", COMMIT)
    assert ground.stored_keys() == []


def test_a_file_with_the_same_bytes_that_somebody_else_put_there_is_taken_over(
    ground: Ground, small: bytes
) -> None:
    ground.s3.put_object(Bucket=ground.bucket, Key=KEY, Body=small)

    [row] = ground.json(CHECKPOINT)
    assert row["outcome"] == "present"
    assert ground.sites.sent() == 0
    assert ground.record(KEY)["sha256"] == sha256(small)


def test_another_file_of_the_name_is_kept_unless_it_may_be_overwritten(ground: Ground, small: bytes) -> None:
    ground.s3.put_object(Bucket=ground.bucket, Key=KEY, Body=b"mine")

    assert ground.pull(CHECKPOINT) == Exit.CONFIG
    assert "another file with this name is in the bucket" in ground.err
    assert ground.stored(KEY) == b"mine"
    assert ground.pull(CHECKPOINT, flags=("--overwrite",)) == Exit.DONE, ground.err
    assert ground.stored(KEY) == small


def test_a_file_that_changed_at_its_source_is_copied_anew(ground: Ground, small: bytes) -> None:
    ground.pull(CHECKPOINT)
    ground.sites.files[NAME] = changed = files.model(files.SDXL)

    [row] = ground.json(CHECKPOINT)
    assert row["outcome"] == "copied"
    assert ground.stored(KEY) == changed != small


def test_a_file_that_is_not_in_lfs_is_copied(ground: Ground) -> None:
    ground.sites.files["notes.txt"] = b"a small file"

    assert ground.pull({"source": f"hf://a/b@{COMMIT}/notes.txt", "type": "vae"}) == Exit.DONE, ground.err
    assert ground.stored("VAE/notes.txt") == b"a small file"


def test_a_file_that_is_not_there_is_named(ground: Ground) -> None:
    assert ground.pull(CHECKPOINT) == Exit.CONFIG
    assert f"localhost does not have {SOURCE} (404)" in ground.err


def test_a_bucket_that_is_not_there_is_named(ground: Ground, small: bytes) -> None:
    ground.bucket = "nowhere-at-all"

    assert ground.pull(CHECKPOINT) == Exit.CONFIG and small
    assert "the bucket nowhere-at-all does not exist" in ground.err
    assert "aws s3 mb s3://nowhere-at-all" in ground.err


# Civitai


def version(content: bytes, name: str, **more: Any) -> dict[str, Any]:
    hashes = {"SHA256": sha256(content).upper(), "AutoV2": "0123456789"}
    first = {
        "id": 7,
        "name": name,
        "type": "Model",
        "primary": True,
        "hashes": hashes,
        "metadata": {"fp": "fp16"},
    }
    return {"id": 128078, "modelId": 101055, "baseModel": "SDXL 1.0", "files": [{**first, **more}]}


STYLE: dict[str, Any] = {
    "source": "https://civitai.com/models/101055?modelVersionId=128078",
    "type": "lora",
    "file": "styles/style.safetensors",
}


@pytest.fixture
def style(ground: Ground) -> bytes:
    content = files.model(files.LORA)
    ground.sites.files["style_v2.safetensors"] = content
    ground.sites.versions[128078] = version(content, "style_v2.safetensors")
    return content


def test_a_file_from_civitai_is_verified_and_its_permissions_are_named(ground: Ground, style: bytes) -> None:
    assert ground.pull(STYLE) == Exit.DONE, ground.err

    assert ground.stored("Lora/styles/style.safetensors") == style
    record = ground.record("Lora/styles/style.safetensors")
    assert record["sha256"] == sha256(style)
    expected = "Civitai: commercial use Image; no credit needed; no derivatives; same permissions"
    assert record["license"] == expected


def test_a_login_page_is_not_taken_for_a_file(ground: Ground, style: bytes) -> None:
    ground.sites.gated.add("style_v2.safetensors")

    assert ground.pull(STYLE) == Exit.CONFIG and style
    assert "answers with a web page, not with a file" in ground.err
    assert ground.stored_keys() == []


def test_the_token_of_civitai_does_not_reach_the_storage(
    ground: Ground, style: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground.sites.gated.add("style_v2.safetensors")
    monkeypatch.setenv("CIVITAI_TOKEN", CIVITAI_TOKEN)

    assert ground.pull(STYLE) == Exit.DONE, ground.err
    assert ground.stored("Lora/styles/style.safetensors") == style
    assert CIVITAI_TOKEN not in ground.out + ground.err


@pytest.mark.parametrize("choice", ["fileId=8", "type=Pruned%20Model", "fp=bf16"])
def test_one_of_several_files_of_a_version_is_chosen(ground: Ground, style: bytes, choice: str) -> None:
    other = files.model(files.LORA)
    ground.sites.files["pruned.safetensors"] = other
    [second] = version(other, "pruned.safetensors", id=8, type="Pruned Model", primary=False)["files"]
    ground.sites.versions[128078]["files"].append({**second, "metadata": {"fp": "bf16"}})
    source = f"https://civitai.com/api/download/models/128078?{choice}"

    assert ground.pull({**STYLE, "source": source}) == Exit.DONE, ground.err
    assert ground.stored("Lora/styles/style.safetensors") == other != style


def test_a_file_that_a_version_does_not_have_names_those_that_it_has(ground: Ground, style: bytes) -> None:
    source = "https://civitai.com/api/download/models/128078?fileId=9"

    assert ground.pull({**STYLE, "source": source}) == Exit.CONFIG and style
    assert "its files are fileId=7 (style_v2.safetensors)" in ground.err


# Any URL


def url_of(ground: Ground, name: str) -> str:
    return f"{ground.sites.storage}/{name}"


def test_a_url_without_a_checksum_is_copied_once_and_its_checksum_is_printed(
    ground: Ground, large: bytes
) -> None:
    entry = {"source": url_of(ground, NAME), "type": "checkpoint", "license": "CC0-1.0"}

    assert ground.pull(entry) == Exit.DONE, ground.err
    assert f"sha256: {sha256(large)}" in ground.out and "license: CC0-1.0" in ground.out
    [row] = ground.json(entry)
    assert row["outcome"] == "present"


def test_a_record_that_was_lost_after_the_last_part_is_written_again(ground: Ground, large: bytes) -> None:
    entry = {"source": url_of(ground, NAME), "type": "checkpoint"}
    ground.pull(entry)
    record = ground.record(KEY)
    ended = {**record, "upload": "gone", "etag": "", "sha256": ""}
    body = json.dumps(ended).encode()
    ground.s3.put_object(Bucket=ground.bucket, Key=f"{KEY}.source.json", Body=body)

    [row] = ground.json(entry)
    assert (row["outcome"], row["sha256"]) == ("present", sha256(large))


def test_a_pointer_of_lfs_is_not_a_model(ground: Ground) -> None:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 6938081905\n"
    ground.sites.files[NAME] = pointer.encode()

    assert ground.pull({"source": url_of(ground, NAME), "type": "checkpoint"}) == Exit.CONFIG
    assert "a pointer of Git LFS, not the file" in ground.err
    assert KEY not in ground.stored_keys()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (os.urandom(100), "does not start as a safetensors file does"),
        (files.model(files.SDXL)[:-10], "its header describes"),
        ((50).to_bytes(8, "little") + b"{" * 92, "its header is not JSON"),
        (b"", "the file has only 0 bytes"),
    ],
    ids=["noise", "cut-off", "no-json", "empty"],
)
def test_what_is_not_a_safetensors_file_is_not_stored_as_one(
    ground: Ground, content: bytes, reason: str
) -> None:
    ground.sites.files[NAME] = content

    assert ground.pull({"source": url_of(ground, NAME), "type": "checkpoint"}) == Exit.CONFIG
    assert reason in ground.err
    assert KEY not in ground.stored_keys()


def test_a_file_of_another_type_than_the_config_says_gives_a_warning(ground: Ground) -> None:
    ground.sites.files[NAME] = files.model(files.LORA)

    assert ground.pull(CHECKPOINT) == Exit.DONE
    assert "warning: this is a lora by its contents, and models[].type says checkpoint" in ground.err


def test_one_file_that_fails_does_not_stop_the_others(ground: Ground, small: bytes) -> None:
    missing = {"source": f"hf://a/b@{COMMIT}/none.safetensors", "type": "lora"}

    assert ground.pull(missing, CHECKPOINT) == Exit.CONFIG
    assert ground.stored(KEY) == small


def test_only_files_that_are_chosen_are_pulled(ground: Ground, small: bytes, style: bytes) -> None:
    assert ground.pull(CHECKPOINT, STYLE, flags=("--only", "turbo*")) == Exit.DONE and small and style

    assert [key for key in ground.stored_keys() if not key.endswith(".json")] == [KEY]


def test_the_folders_that_sd_webui_would_create_are_created(ground: Ground, small: bytes) -> None:
    ground.runtimes = [{"name": "webui", "type": "sdwebui", "modelFilename": NAME}]

    ground.pull(CHECKPOINT)
    assert small and {"VAE/", "ESRGAN/", "ControlNetPreprocessor/clip_vision/"} <= set(ground.stored_keys())
    assert "Stable-diffusion/" not in ground.stored_keys()


def test_each_folder_that_is_mounted_gets_the_file(ground: Ground, small: bytes) -> None:
    mount = {"persistence": {"s3": {"mountOptions": ["prefix team-a/"]}}}
    ground.runtimes = [
        {"name": "one", "type": "comfyui"},
        {"name": "two", "type": "comfyui", "extraValues": {"runtime": mount}},
    ]

    assert ground.pull(CHECKPOINT) == Exit.DONE, ground.err
    assert ground.stored(KEY) == ground.stored(f"team-a/{KEY}") == small
