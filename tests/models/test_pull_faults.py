"""Faults of sites, storage and files, and all that `generator models pull` can be told."""

import json
import os
from datetime import date

import pytest

from generator.errors import Exit
from generator.iam import model_files as policies
from generator.models.store import Record, Store
from generator.solution.context import Context
from generator.solution.model_file import ModelObject
from testing import model_files as files
from testing import solving
from testing.model_sites import CIVITAI_TOKEN, COMMIT
from tests.models.conftest import CHECKPOINT, KEY, NAME, PART, SOURCE, STYLE, Ground, sha256, version

pytestmark = pytest.mark.thorough


def url_of(ground: Ground, name: str) -> str:
    return f"{ground.sites.storage}/{name}"


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


def test_a_checksum_of_the_config_that_the_source_contradicts_stops_it_before_a_byte(
    ground: Ground, small: bytes
) -> None:
    assert ground.pull({**CHECKPOINT, "sha256": "1" * 64}) == Exit.CONFIG and small

    assert "the source publishes the SHA-256" in ground.err
    assert ground.sites.sent() == 0


def test_a_token_without_access_says_so(
    ground: Ground, small: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground.sites.gated.add(NAME)
    monkeypatch.setenv("HF_TOKEN", "hf_another")

    assert ground.pull(CHECKPOINT) == Exit.CONFIG and small
    assert "with the account of HF_TOKEN" in ground.err
    assert "hf_another" not in ground.out + ground.err


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


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://localhost/turbo.safetensors", "redirects to an address without encryption, at localhost"),
        ("", "redirects in a circle"),
    ],
    ids=["http", "circle"],
)
def test_a_redirect_that_leads_nowhere_good_is_not_followed(
    ground: Ground, small: bytes, location: str, reason: str
) -> None:
    ground.sites.faults.redirect = location or url_of(ground, NAME)

    assert ground.pull(CHECKPOINT) == Exit.CONFIG and small
    assert reason in ground.err


def test_the_policy_of_the_build_allows_what_the_command_does(
    strict_ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground, iam = strict_ground, strict_ground.account.client("iam")
    ground.sites.files[NAME] = content = files.padded(files.SDXL, 5 * PART // 2)
    context = Context(ground.account.region, ground.account.id, date(2026, 11, 27))
    solution = solving.solution(ground.data(CHECKPOINT), context)
    iam.create_user(UserName="puller")
    key = iam.create_access_key(UserName="puller")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])

    assert ground.pull(CHECKPOINT) == Exit.AWS
    policy = policies.files(solution)[policies.FILE]
    iam.put_user_policy(UserName="puller", PolicyName="models", PolicyDocument=policy)
    assert ground.pull(CHECKPOINT) == Exit.DONE, ground.err
    assert ground.stored(KEY) == content


def test_a_repository_that_nobody_sees_may_be_misspelled_or_private(ground: Ground) -> None:
    entry = {"source": f"hf://nobody/nothing@{COMMIT}/{NAME}", "type": "checkpoint"}

    assert ground.pull(entry) == Exit.CONFIG
    assert "does not show the repository of hf://nobody/nothing" in ground.err
    assert "correct the name; for a private repository set HF_TOKEN" in ground.err
