"""The AWS emulator: it starts once, keeps accounts apart, and ends with the process that started it."""

import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest

from local.emulator import Emulator, without_aws_settings
from local.processes import LocalError
from local.venvs import interpreter

STARTS_ONE_AND_WAITS = """
import sys, time
from pathlib import Path
from local.emulator import Emulator
emulator = Emulator(folder=Path(sys.argv[1])).start()
print(emulator.port, flush=True)
time.sleep(60)
"""


def test_two_accounts_do_not_see_each_other(account, emulator):
    account.client("sqs").create_queue(QueueName="mine")

    other_account = type(account)(
        "999999999999", account.region, account.endpoint, emulator.client_env("999999999999")
    )

    assert other_account.client("sqs").list_queues().get("QueueUrls", []) == []


def test_a_reset_forgets_what_was_made():
    with Emulator() as emulator:
        account = _client(emulator)
        account.create_queue(QueueName="mine")

        emulator.reset()

        assert account.list_queues().get("QueueUrls", []) == []


def test_policies_are_enforced_when_asked(strict_account):
    iam = strict_account.client("iam")
    iam.create_user(UserName="nobody")
    key = iam.create_access_key(UserName="nobody")["AccessKey"]

    with pytest.raises(Exception, match="AccessDenied"):
        _client_of(strict_account.endpoint, key["AccessKeyId"], key["SecretAccessKey"]).list_queues()


def test_it_listens_on_loopback_only(emulator):
    listening = {
        line.split()[1]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and line.split()[1].endswith(f":{emulator.port:04X}")
    }

    assert listening == {f"0100007F:{emulator.port:04X}"}


def test_it_ends_when_the_process_that_started_it_is_killed(tmp_path):
    owner = subprocess.Popen(
        [sys.executable, "-c", STARTS_ONE_AND_WAITS, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    port = int(owner.stdout.readline())
    assert _listens(port)

    owner.send_signal(signal.SIGKILL)
    owner.wait()

    assert _wait_until(lambda: not _listens(port))


def test_no_setting_of_the_user_leads_to_a_real_account():
    environment = {"AWS_PROFILE": "work", "AWS_ENDPOINT_URL_SQS": "https://example.com", "HOME": "/home/user"}

    result = without_aws_settings(environment)

    assert {key for key in result if key in environment} == {"HOME"}
    assert result["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull


@pytest.mark.thorough
def test_a_package_whose_hash_differs_is_not_installed(tmp_path):
    with zipfile.ZipFile(tmp_path / "thing-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("thing-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: thing\nVersion: 1\n")
    requirements = tmp_path / "wanted.txt"
    requirements.write_text(f"--no-index\n--find-links {tmp_path}\nthing==1 --hash=sha256:{'0' * 64}\n")

    with pytest.raises(LocalError, match="DO NOT MATCH THE HASHES"):
        interpreter(tmp_path / "venv", requirements)


def _client(emulator: Emulator):
    return _client_of(emulator.url, "111122223333", "local")


def _client_of(url: str, key: str, secret: str):
    return boto3.client(
        "sqs", endpoint_url=url, region_name="us-east-1", aws_access_key_id=key, aws_secret_access_key=secret
    )


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait_until(condition: Callable[[], bool], seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False
