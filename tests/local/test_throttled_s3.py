"""testing/throttled_s3.py, on which bench/model_load.py rests, and the benchmark itself on small files."""

import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config

from testing.throttled_s3 import Limits, Pace, Server

ROOT = Path(__file__).resolve().parents[2]
DATA = bytes(range(256)) * 4
FAST = Limits(first_byte=0, stream=1e12, total=1e12)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "models" / "vae").mkdir(parents=True)
    (tmp_path / "models" / "a b.safetensors").write_bytes(DATA)
    (tmp_path / "models" / "vae" / "x").write_bytes(b"x")
    with Server(tmp_path, FAST) as running:
        yield running


def test_bytes_leave_at_the_rate_and_not_before_those_ahead_of_them() -> None:
    pace = Pace(rate=100)

    assert [pace.reserve(50, now=10.0), pace.reserve(100, now=10.1), pace.reserve(50, now=10.2)] == [
        10.5,
        11.5,
        12.0,
    ]


def test_time_in_which_nothing_was_sent_is_not_saved() -> None:
    pace = Pace(rate=100)
    pace.reserve(100, now=0.0)

    assert pace.reserve(100, now=60.0) == 61.0


def test_a_slower_world_has_longer_delays_and_narrower_streams() -> None:
    assert Limits(0.1, 85e6, 1.25e9).dilated(10) == Limits(1.0, 8.5e6, 1.25e8)


def test_a_response_waits_for_its_first_byte_and_for_every_chunk(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("testing.throttled_s3.time.sleep", waits.append)
    monkeypatch.setattr("testing.throttled_s3.time.monotonic", lambda: 0.0)
    monkeypatch.setattr("testing.throttled_s3.CHUNK", 256)
    server.limits = Limits(first_byte=0.25, stream=1024, total=1e12)

    with urllib.request.urlopen(f"{server.url}/models/a%20b.safetensors") as response:
        assert response.read() == DATA

    assert waits == [0.25, 0.25, 0.5, 0.75, 1.0]


def test_boto3_reads_what_is_there(server: Server) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=server.url,
        region_name="us-east-1",
        config=Config(signature_version=UNSIGNED, s3={"addressing_style": "path"}),
    )

    assert client.get_object(Bucket="models", Key="a b.safetensors")["Body"].read() == DATA
    part = client.get_object(Bucket="models", Key="a b.safetensors", Range="bytes=1-3")
    assert (part["Body"].read(), part["ContentRange"]) == (DATA[1:4], "bytes 1-3/1024")
    assert client.head_object(Bucket="models", Key="a b.safetensors")["ContentLength"] == 1024
    listing = client.list_objects_v2(Bucket="models", Delimiter="/")
    assert [item["Key"] for item in listing["Contents"]] == ["a b.safetensors"]
    assert [item["Prefix"] for item in listing["CommonPrefixes"]] == ["vae/"]
    with pytest.raises(client.exceptions.NoSuchKey):
        client.get_object(Bucket="models", Key="missing")


@pytest.mark.parametrize(
    ("path", "byte_range", "status"), [("missing", "bytes=0-1", 404), ("vae/x", "bytes=1-", 416)]
)
def test_what_is_not_there_is_an_error(server: Server, path: str, byte_range: str, status: int) -> None:
    request = urllib.request.Request(f"{server.url}/models/{path}", headers={"Range": byte_range})

    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request)

    assert error.value.code == status


@pytest.mark.thorough
def test_every_way_that_needs_no_pytorch_gives_the_same_bytes() -> None:
    arguments = ["--layouts=sd15,shuffled", "--scale=0.01", "--rounds=1", "--dilate=1", "--first-byte=0"]
    arguments += ["--stream=1e12", "--check", "--parts=local,s3"]
    command = [sys.executable, "-m", "bench.model_load", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("sd15: the same bytes\nshuffled: the same bytes\n")
    measured = [line for line in done.stdout.splitlines() if "1.00x" in line]
    assert len(measured) == 8, done.stdout  # one stream, 16 and 32 ranges, boto3; two layouts
