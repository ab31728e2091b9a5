"""Model sites on loopback, an account of the emulator with a model bucket, and the command over them."""

import hashlib
import io
import json
import os
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from generator.cli import main
from generator.models import store, web
from testing import model_files as files
from testing import model_sites
from testing.account import Account
from testing.botocore_models import shared_models
from testing.model_sites import COMMIT, ModelSites

# Parts of AWS have 5 MiB or more.
PART = 1 << 20
NAME = "turbo.safetensors"
SOURCE = f"hf://stabilityai/sdxl-turbo@{COMMIT}/{NAME}"
KEY = f"Stable-diffusion/{NAME}"
CHECKPOINT: dict[str, Any] = {"source": SOURCE, "type": "checkpoint"}
STYLE: dict[str, Any] = {
    "source": "https://civitai.com/models/101055?modelVersionId=128078",
    "type": "lora",
    "file": "styles/style.safetensors",
}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Ground:
    """What a test of `generator models pull` needs."""

    sites: ModelSites
    account: Account
    config: Path
    bucket: str
    out: str = ""
    err: str = ""
    runtimes: list[dict[str, Any]] = field(default_factory=lambda: [{"name": "comfy", "type": "comfyui"}])

    @property
    def s3(self) -> Any:
        return self.account.client("s3")

    def data(self, *models: dict[str, Any]) -> dict[str, Any]:
        """A config with these models."""
        return {
            "stackName": "demo",
            "eksVersion": "1.35",
            "region": self.account.region,
            "accountId": self.account.id,
            "modelBucketArn": f"arn:aws:s3:::{self.bucket}",
            "models": list(models),
            "modelsRuntime": self.runtimes,
        }

    def pull(self, *models: dict[str, Any], flags: tuple[str, ...] = ()) -> int:
        """Run the command on a config with these models; its exit code."""
        data = self.data(*models)
        self.config.write_text(yaml.safe_dump(data))
        out, err = io.StringIO(), io.StringIO()
        with (
            redirect_stdout(io.TextIOWrapper(io.BytesIO(), write_through=True)) as stream,
            redirect_stderr(err),
        ):
            code = main.main(["models", "pull", str(self.config), *flags])
            stream.flush()
            out.write(stream.buffer.getvalue().decode())  # type: ignore[attr-defined]
        self.out, self.err = out.getvalue(), err.getvalue()
        return code

    def json(self, *models: dict[str, Any], flags: tuple[str, ...] = ()) -> list[dict[str, Any]]:
        """The same, with what it prints as JSON."""
        self.pull(*models, flags=(*flags, "--format", "json"))
        rows: list[dict[str, Any]] = json.loads(self.out)
        return rows

    def stored_keys(self) -> list[str]:
        listed = self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", ())
        return sorted(entry["Key"] for entry in listed)

    def stored(self, key: str) -> bytes:
        content: bytes = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return content

    def record(self, key: str) -> dict[str, Any]:
        data: dict[str, Any] = json.loads(self.stored(f"{key}.source.json"))
        return data


@pytest.fixture(scope="session", autouse=True)
def botocore_models() -> Iterator[None]:
    """All sessions of boto3 share the AWS models that were read once."""
    with shared_models():
        yield


@pytest.fixture(scope="session")
def all_sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ModelSites, Path]]:
    with model_sites.running(tmp_path_factory.mktemp("sites")) as running:
        yield running


@pytest.fixture
def ground(
    all_sites: tuple[ModelSites, Path], account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Ground:
    return _ground(all_sites, account, tmp_path, monkeypatch)


@pytest.fixture
def strict_ground(
    all_sites: tuple[ModelSites, Path],
    strict_account: Account,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Ground:
    """The same in an account in which policies are enforced."""
    return _ground(all_sites, strict_account, tmp_path, monkeypatch)


def _ground(
    all_sites: tuple[ModelSites, Path], account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Ground:
    sites, certificate = all_sites
    fresh = ModelSites()
    for name in ("files", "gated", "published", "card", "versions", "faults", "requests"):
        setattr(sites, name, getattr(fresh, name))
    for name in [*os.environ]:
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    variables = {**account.env, **sites.environment(), "SSL_CERT_FILE": str(certificate)}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for name in ("HF_TOKEN", "CIVITAI_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(web, "LONGEST_WAIT", 0.02)
    monkeypatch.setattr(store, "SMALLEST_PART", PART)
    bucket = f"models-{account.id}"
    account.client("s3").create_bucket(Bucket=bucket)
    return Ground(sites, account, tmp_path / "config.yaml", bucket)


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


@pytest.fixture
def style(ground: Ground) -> bytes:
    content = files.model(files.LORA)
    ground.sites.files["style_v2.safetensors"] = content
    ground.sites.versions[128078] = version(content, "style_v2.safetensors")
    return content
