"""An AWS account in the emulator, and a config file for it."""

from dataclasses import dataclass
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
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=self.id,
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
