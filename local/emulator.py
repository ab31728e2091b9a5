"""The AWS emulator: ministack on loopback."""

import os
import shutil
import socket
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

from local import processes
from local.processes import Child, LocalError
from local.venvs import interpreter

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "ministack"
SERVER = ROOT / "local" / "gateway_keys.py"
START_SECONDS = 30.0
START_TRIES = 3
# The emulator takes an access key of twelve digits as the account id.
ACCOUNT = "111122223333"
REGION = "us-east-1"
SECRET_KEY = "local"  # noqa: S105 (nothing outside this machine takes it)


class Emulator:
    """One emulator process. `with Emulator() as aws:` starts and stops it.

    Its files are in `folder`, or in a temporary folder that is removed at the end. Unsigned calls, such as
    those to an HTTP API, belong to `account`. With `enforce_iam` it refuses calls that no policy allows.
    Start it in the main thread (see `processes.start`).
    """

    def __init__(
        self, *, folder: Path | None = None, account: str = ACCOUNT, enforce_iam: bool = False
    ) -> None:
        self._own_folder = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="sd-emulator-"))
        self._settings = {"MINISTACK_ACCOUNT_ID": account, "AUTH": str(enforce_iam).lower()}
        self.port = 0
        self._child: Child | None = None

    @property
    def url(self) -> str:
        """The endpoint of every service."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """Its log file."""
        return self.folder / "emulator.log"

    @property
    def children(self) -> tuple[Child, ...]:
        """Its process, if it is running."""
        return (self._child,) if self._child else ()

    def start(self) -> "Emulator":
        """Start it and wait until STS answers."""
        python = install()
        self.folder.mkdir(parents=True, exist_ok=True)
        for _ in range(START_TRIES):  # another process may take the free port first
            self.port = free_port()
            self._child = processes.start("emulator", [str(python), str(SERVER)], self._server(), self.folder)
            if self._becomes_ready():
                return self
            processes.stop(self.children)
        raise LocalError("the AWS emulator did not start", "read its log; remove .cache/ministack*", self.log)

    def stop(self) -> None:
        """Stop it, and remove its folder if it is a temporary one."""
        processes.stop(self.children)
        self._child = None
        if self._own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> "Emulator":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def reset(self) -> None:
        """Delete the resources of every account."""
        request = urllib.request.Request(f"{self.url}/_ministack/reset", method="POST")  # noqa: S310 (loopback)
        with _direct().open(request, timeout=10):
            pass

    def client_env(self, account: str = ACCOUNT, region: str = REGION) -> dict[str, str]:
        """The environment in which an SDK calls this emulator and never AWS."""
        return without_aws_settings(os.environ) | {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": account,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
        }

    def _server(self) -> dict[str, str]:
        folder = str(self.folder)
        folders = {"TMPDIR": folder, "STATE_DIR": f"{folder}/state", "S3_DATA_DIR": f"{folder}/s3"}
        listen = {"BIND_HOST": "127.0.0.1", "MINISTACK_HOST": "127.0.0.1", "GATEWAY_PORT": str(self.port)}
        # It checks the signatures of links by this key, and gives it to functions.
        secret = {"AWS_SECRET_ACCESS_KEY": SECRET_KEY}
        return without_aws_settings(os.environ) | folders | listen | secret | self._settings

    @property
    def _alive(self) -> bool:
        return all(child.alive for child in self.children)

    def _becomes_ready(self) -> bool:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self._alive:
            if self._answers():
                return self._alive
            time.sleep(0.05)
        return False

    def _answers(self) -> bool:
        scope = f"Credential={ACCOUNT}/20260101/{REGION}/sts/aws4_request"
        request = urllib.request.Request(  # noqa: S310 (loopback)
            self.url,
            data=b"Action=GetCallerIdentity&Version=2011-06-15",
            headers={"Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"},
        )
        try:
            with _direct().open(request, timeout=5) as response:
                return ACCOUNT.encode() in response.read()
        except urllib.error.HTTPError as error:
            return error.code == HTTPStatus.FORBIDDEN  # with `enforce_iam`: the signature is not valid
        except OSError:
            return False


def install() -> Path:
    """The interpreter of the emulator's virtual environment, which is created if it is missing."""
    return interpreter(CACHE, ROOT / "local" / "ministack.txt")


def without_aws_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` without settings that lead an SDK to a real account, or calls on loopback to a proxy."""
    kept = {key: value for key, value in environment.items() if not key.startswith("AWS_")}
    no_files = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    return kept | no_files | {"AWS_EC2_METADATA_DISABLED": "true", "NO_PROXY": "*", "no_proxy": "*"}


def free_port() -> int:
    """A loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _direct() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))
