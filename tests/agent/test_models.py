"""Model files from the bucket: by parallel requests, completed after an interruption, checked."""

import base64
import hashlib
import json
import os
import random
import signal
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from queue_agent.models import bucket, download, parts
from queue_agent.models.__main__ import load, used
from queue_agent.models.bucket import Bucket, ModelError
from queue_agent.models.download import Download

from local import processes
from testing import containers, throttled_s3
from testing.throttled_s3 import Answer, Limits, Request, Server
from testing.world import wait_for

FAST = Limits(0.0, 1e12, 1e12)
Answering = Callable[[Callable[[Request, Answer], Answer]], None]
ROOM = 1 << 30
# The program as it is, also where the disk of this machine has less free space than a node must keep.
ON_A_FULL_DISK = """
import runpy
from queue_agent.models import download
download.LEAST_FREE_SHARE = 0.0
runpy.run_module("queue_agent.models", run_name="__main__", alter_sys=True)
"""
CONTENT = random.Random(7).randbytes(9 << 20) + b"end"


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "SMALLEST_PART", 1 << 20)
    monkeypatch.setattr(parts, "LARGEST_FIRST_PART", 1 << 20)
    monkeypatch.setattr(download, "LEAST_FREE_SHARE", 0.0)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """An S3 with the bucket `models`, in which `team/a.safetensors` is."""
    object_ = tmp_path / "s3" / "models" / "team" / "a.safetensors"
    object_.parent.mkdir(parents=True)
    object_.write_bytes(CONTENT)
    with Server(tmp_path / "s3", FAST) as running:
        yield running


def loading(server: Server, tmp_path: Path, key: str = "team/a.safetensors") -> Download:
    target = tmp_path / "out" / "a.safetensors"
    target.parent.mkdir(exist_ok=True)
    models = Bucket("models", "us-east-1", server.url)
    return Download(models, key, target, tmp_path / "out" / ".progress", streams=4)


def test_a_file_has_the_bytes_of_the_object(server: Server, tmp_path: Path) -> None:
    version = loading(server, tmp_path).run(ROOM)

    assert (tmp_path / "out" / "a.safetensors").read_bytes() == CONTENT
    assert version.size == len(CONTENT) == server.sent
    assert {path.name for path in (tmp_path / "out").iterdir()} == {".progress", "a.safetensors"}


def test_an_empty_object_is_an_empty_file(server: Server, tmp_path: Path) -> None:
    (tmp_path / "s3" / "models" / "empty.pt").touch()
    loading(server, tmp_path, "empty.pt").run(ROOM)

    assert (tmp_path / "out" / "a.safetensors").read_bytes() == b""


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Answering:
    """`answering(change)`: the server answers what `change` makes of a request and its own answer."""
    own_answer = throttled_s3.answer

    def install(change: Callable[[Request, Answer], Answer]) -> None:
        monkeypatch.setattr(
            throttled_s3, "answer", lambda request, folder: change(request, own_answer(request, folder))
        )

    return install


def offset(request: Request) -> int:
    """The first byte that is asked for; -1 for a request without a range."""
    return int(request.headers.get("range", "bytes=-1-").removeprefix("bytes=").rpartition("-")[0])


def denied(_: Request, __: Answer) -> Answer:
    return Answer("403 Forbidden", {})


def own(_: Request, answer: Answer) -> Answer:
    return answer


def interrupted(server: Server, tmp_path: Path, answering: Answering) -> None:
    """All but the last two parts are here."""
    answering(lambda request, answer: answer if offset(request) < 8 << 20 else denied(request, answer))
    with pytest.raises(ModelError, match="403 Forbidden"):
        loading(server, tmp_path).run(ROOM)
    answering(own)


def test_what_is_here_is_not_fetched_again(server: Server, tmp_path: Path, answering: Answering) -> None:
    interrupted(server, tmp_path, answering)
    before = server.sent
    loading(server, tmp_path).run(ROOM)

    assert before > 0
    assert server.sent == len(CONTENT)
    assert (tmp_path / "out" / "a.safetensors").read_bytes() == CONTENT


def test_a_part_that_was_damaged_is_fetched_again(
    server: Server, tmp_path: Path, answering: Answering
) -> None:
    interrupted(server, tmp_path, answering)
    journal = (tmp_path / "out" / "a.safetensors.journal").read_text().splitlines()
    number = int(journal[1].split()[0])
    with (tmp_path / "out" / "a.safetensors.part").open("r+b") as file:
        file.seek(number << 20)
        file.write(b"damaged")

    loading(server, tmp_path).run(ROOM)

    assert (tmp_path / "out" / "a.safetensors").read_bytes() == CONTENT
    assert server.sent == len(CONTENT) + (1 << 20)


@pytest.mark.thorough
def test_parts_of_another_version_are_not_mixed(server: Server, tmp_path: Path, answering: Answering) -> None:
    interrupted(server, tmp_path, answering)
    other = bytes(reversed(CONTENT))
    (tmp_path / "s3" / "models" / "team" / "a.safetensors").write_bytes(other)

    loading(server, tmp_path).run(ROOM)

    assert (tmp_path / "out" / "a.safetensors").read_bytes() == other


def test_the_first_parts_are_asked_for_at_once_and_the_others_in_one_version(
    server: Server, tmp_path: Path, answering: Answering
) -> None:
    conditions = []
    answering(lambda request, answer: conditions.append(request.headers.get("if-match")) or answer)
    version = loading(server, tmp_path).run(ROOM)

    # The size, four streams, and six more parts; a stream may ask again before another one has asked.
    assert sorted(map(str, conditions)) == sorted(["None"] * 5 + [version.etag] * 6)


def test_first_parts_of_another_version_are_fetched_again(
    server: Server, tmp_path: Path, answering: Answering
) -> None:
    old = tmp_path / "old"
    old.write_bytes(bytes(reversed(CONTENT)))

    def replaced(request: Request, answer: Answer) -> Answer:
        if offset(request) < 0 or "if-match" in request.headers:
            return answer
        return replace(answer, file=old, headers={**answer.headers, "ETag": '"old"'})

    answering(replaced)
    loading(server, tmp_path).run(ROOM)

    assert (tmp_path / "out" / "a.safetensors").read_bytes() == CONTENT


@pytest.mark.parametrize("size", [1, (1 << 20) - 1, (1 << 20) + 1, (4 << 20) + 1])
def test_a_file_may_have_fewer_parts_than_streams(server: Server, tmp_path: Path, size: int) -> None:
    (tmp_path / "s3" / "models" / "small.pt").write_bytes(CONTENT[:size])
    loading(server, tmp_path, "small.pt").run(ROOM)

    assert (tmp_path / "out" / "a.safetensors").read_bytes() == CONTENT[:size]


def test_a_server_that_fails_is_asked_again(server: Server, tmp_path: Path, answering: Answering) -> None:
    failures = iter(range(3))

    def unavailable(request: Request, answer: Answer) -> Answer:
        fails = offset(request) >= 0 and next(failures, None) is not None
        return Answer("503 Slow Down", {}) if fails else answer

    answering(unavailable)
    loading(server, tmp_path).run(ROOM)

    assert (tmp_path / "out" / "a.safetensors").read_bytes() == CONTENT


def test_a_bucket_that_is_asked_by_many_pods_is_asked_again_for_a_while(
    server: Server, tmp_path: Path, answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 scales within minutes, and answers 503 until then."""
    monkeypatch.setattr(download, "WAIT_SECONDS", 0.01)
    failures: dict[int, int] = {}

    def slow_down(request: Request, answer: Answer) -> Answer:
        failures[offset(request)] = failures.get(offset(request), 0) + 1
        return answer if failures[offset(request)] > 7 or offset(request) < 0 else Answer("503 Slow Down", {})

    answering(slow_down)
    loading(server, tmp_path).run(ROOM)

    assert (tmp_path / "out" / "a.safetensors").read_bytes() == CONTENT


DENIED = "<Error><Code>AccessDenied</Code><Message>no right to kms:Decrypt &amp; more</Message></Error>"


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_a_refusal_is_told_in_the_words_of_s3(
    server: Server, tmp_path: Path, answering: Answering, method: str
) -> None:
    """The answer to HeadObject, which S3 gives without a text, says only 403."""

    def denied(request: Request, answer: Answer) -> Answer:
        body = DENIED.encode() if request.method == "GET" else b""
        refused = request.method in (method, "GET")
        return Answer("403 Forbidden", {"Content-Length": str(len(body))}, body) if refused else answer

    answering(denied)

    with pytest.raises(ModelError, match=r"AccessDenied.*kms:Decrypt & more"):
        loading(server, tmp_path).run(ROOM)


def test_credentials_that_come_late_are_waited_for(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "aws"
    folder.mkdir()
    monkeypatch.setattr(bucket, "CREDENTIALS_PAUSE", 0.01)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "credentials"))
    text = "[default]\naws_access_key_id = a\naws_secret_access_key = b\n"
    threading.Timer(0.3, lambda: (folder / "credentials").write_text(text)).start()

    assert loading(server, tmp_path).run(ROOM).size == len(CONTENT)


def test_without_credentials_the_mount_is_read(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "CREDENTIALS_SECONDS", 0.0)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    (tmp_path / "out").mkdir()

    load(Bucket("models", "us-east-1", server.url), "team/", "a.safetensors", tmp_path / "out", ROOM)

    assert "no credentials" in (tmp_path / "out" / "a.safetensors.failed").read_text()


def test_a_file_whose_folder_is_a_file_does_not_stop_the_others(server: Server, tmp_path: Path) -> None:
    """Keys of S3 may be both."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "vae").write_text("a model without an ending")
    models = Bucket("models", "us-east-1", server.url)

    for name in ("vae/a.safetensors", "a.safetensors"):
        load(models, "team/", name, tmp_path / "out", ROOM)

    assert (tmp_path / "out" / "a.safetensors").read_bytes() == CONTENT


def test_an_object_that_is_not_there_is_named(server: Server, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"s3://models/absent.safetensors: .*404"):
        loading(server, tmp_path, "absent.safetensors").run(ROOM)


def test_a_disk_with_too_little_space_keeps_none_of_it(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "LEAST_FREE_SHARE", 1.0)
    with pytest.raises(ModelError, match="too little space on the disk"):
        loading(server, tmp_path).run(ROOM)

    assert list((tmp_path / "out").iterdir()) == []


def test_a_file_that_exceeds_the_volume_is_not_begun(server: Server, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"team/a.safetensors: its \d+ bytes exceed .* models.sizeLimit"):
        loading(server, tmp_path).run(len(CONTENT) - 1)

    assert list((tmp_path / "out").iterdir()) == []
    # The first parts are asked for before the size is known.
    assert server.sent <= 4 << 20
    assert loading(server, tmp_path).run(len(CONTENT)).size == len(CONTENT)


def test_what_is_here_already_counts_but_not_the_begun_file(tmp_path: Path) -> None:
    path = tmp_path / "vae" / "b.safetensors"
    path.parent.mkdir()
    for name in ("a.pt", "vae/c.safetensors", "vae/c.safetensors.part", f"{path}.part", f"{path}.journal"):
        (tmp_path / name).write_bytes(b"12345")

    assert used(tmp_path, path) == 15


def checksum(algorithm: str, content: bytes) -> str:
    number = zlib.crc32(content).to_bytes(4, "big")
    return base64.b64encode(number if algorithm == "crc32" else hashlib.sha256(content).digest()).decode()


@pytest.mark.thorough
@pytest.mark.parametrize("algorithm", ["crc32", "sha256"])
def test_a_wrong_checksum_is_found(
    server: Server, tmp_path: Path, answering: Answering, algorithm: str
) -> None:
    def with_checksum(content: bytes) -> Callable[[Request, Answer], Answer]:
        header = {f"x-amz-checksum-{algorithm}": checksum(algorithm, content)}
        return lambda _, answer: replace(answer, headers={**answer.headers, **header})

    answering(with_checksum(b"other"))
    with pytest.raises(ModelError, match="the checksum is not that of the object"):
        loading(server, tmp_path).run(ROOM)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".progress"]

    answering(with_checksum(CONTENT))
    loading(server, tmp_path).run(ROOM)
    assert (tmp_path / "out" / "a.safetensors").read_bytes() == CONTENT


def test_the_container_downloads_then_waits_until_it_is_stopped(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    document = tmp_path / "direct-models.json"
    files = ["a.safetensors", "sub/absent.safetensors"]
    document.write_text(
        json.dumps(
            {
                **{"runtime": "one", "bucket": "models", "prefix": "team/", "region": "us-east-1"},
                **{"sizeLimit": "1Gi"},
                **{"endpoint": server.url, "folder": str(folder), "models": "/models", "files": files},
            }
        )
    )
    command = [sys.executable, "-c", ON_A_FULL_DISK, str(document)]
    child = containers.start("loader", command, dict(os.environ), tmp_path)
    try:
        failed = folder / "sub" / "absent.safetensors.failed"
        wait_for(lambda: failed.exists() and failed.read_text(), 30)

        assert (folder / "a.safetensors").read_bytes() == CONTENT
        assert "404" in (folder / "sub" / "absent.safetensors.failed").read_text()
        lines = [json.loads(line) for line in child.log.read_text().splitlines()]
        assert [(line["event"], line["file"]) for line in lines] == [
            ("model is here", files[0]),
            ("model is read from the mount", files[1]),
        ]
        child.signal(signal.SIGTERM)
        assert child.process.wait(5) == 0
    finally:
        processes.stop([child], 0)
