"""An AWS account in the emulator, and a config file for it."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import boto3
import yaml


@dataclass(frozen=True)
class Account:
    """An empty AWS account in the emulator."""

    id: str
    region: str
    endpoint: str
    env: dict[str, str]

    def client(self, service: str, **options: Any) -> Any:
        return _client(service, self.endpoint, self.region, self.id, **options)


@lru_cache(maxsize=64)
def _client(service: str, endpoint: str, region: str, access_key: str, **options: Any) -> Any:
    """A client, which takes longer to create than most calls do and may be shared by threads."""
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=access_key,
        aws_secret_access_key="local",
        **options,
    )


def write_config(folder: Path, account: Account, runtime: dict[str, Any], **top: Any) -> Path:
    """Write a config with one runtime for an account of the emulator; `top` adds top-level keys."""
    data = {
        "stackName": "demo",
        "eksVersion": "1.34",
        "region": account.region,
        "accountId": account.id,
        "modelBucketArn": "arn:aws:s3:::models",
        "modelsRuntime": [runtime],
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(data | top))
    return path
