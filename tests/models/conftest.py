"""Model sites on loopback, an account of the emulator with a model bucket, and the command over them."""

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
from testing import model_sites
from testing.account import Account
from testing.model_sites import ModelSites

# Parts of AWS have 5 MiB or more.
PART = 1 << 20


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

    def pull(self, *models: dict[str, Any], flags: tuple[str, ...] = ()) -> int:
        """Run the command on a config with these models; its exit code."""
        data = {
            "stackName": "demo",
            "eksVersion": "1.35",
            "region": self.account.region,
            "accountId": self.account.id,
            "modelBucketArn": f"arn:aws:s3:::{self.bucket}",
            "models": list(models),
            "modelsRuntime": self.runtimes,
        }
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


@pytest.fixture(scope="session")
def all_sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ModelSites, Path]]:
    with model_sites.running(tmp_path_factory.mktemp("sites")) as running:
        yield running


@pytest.fixture
def ground(
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
