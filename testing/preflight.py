"""What an account has in which `generator preflight` finds nothing to complain about."""

from generator import paths
from generator.facts import runtimes
from generator.preflight.spot import ROLE
from testing import model_files
from testing.account import Account

MODEL = "sd_xl_turbo_1.0.safetensors"
CHECKPOINT = model_files.model(model_files.SDXL)
# Quota code -> a value that is enough for every config of the tests.
SUFFICIENT_QUOTAS = {
    "L-DB2E81BA": 400.0,
    "L-3819A6DF": 400.0,
    "L-1216C47A": 64.0,
    "L-0263D0A3": 5.0,
    "L-F678F1CE": 5.0,
    "L-FE5A380F": 5.0,
    "L-F8E2BA85": 30000.0,
    "L-DC2B2D3D": 10000.0,
}


def prepare_account(account: Account) -> None:
    """Create the models, the images and the service-linked role for spot instances."""
    bucket = f"models-{account.id}"
    account.client("s3").create_bucket(Bucket=bucket)
    folders = runtimes.model_folders(paths.root() / "charts")["sdwebui"]
    account.client("s3").put_object(Bucket=bucket, Key=f"Stable-diffusion/{MODEL}", Body=CHECKPOINT)
    for folder in folders:
        account.client("s3").put_object(Bucket=bucket, Key=f"{folder}/", Body=b"")
    ecr = account.client("ecr")
    for repository, tag in (("sd-on-eks/sdwebui", "1.10.1"), ("sd-on-eks/queue-agent", "0.1.0")):
        ecr.create_repository(repositoryName=repository)
        ecr.put_image(repositoryName=repository, imageTag=tag, imageManifest='{"schemaVersion": 2}')
    trust = '{"Version":"2012-10-17","Statement":[]}'
    account.client("iam").create_role(RoleName=ROLE, AssumeRolePolicyDocument=trust)
