"""What each command that asks AWS prints when the credentials or the connection do not work: one line."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import yaml

from generator.aws import identity
from generator.aws.clients import Aws
from generator.cli import main
from generator.errors import CredentialsError, Exit
from testing.botocore_models import shared_models
from testing.relay import Server

pytestmark = pytest.mark.thorough

# Every command that asks AWS, with what makes it ask.
COMMANDS = {
    "preflight": ["preflight", "CONFIG"],
    "deploy": ["deploy", "CONFIG"],
    "uninstall": ["uninstall", "CONFIG", "--yes"],
    "status": ["status", "CONFIG"],
    "smoke": ["smoke", "CONFIG"],
    "images": ["images", "CONFIG", "--digests"],
    "plan": ["plan", "CONFIG", "--account-from-sts"],
    "build": ["build", "CONFIG", "--account-from-sts"],
    "validate": ["validate", "CONFIG", "--account-from-sts"],
    "render": ["render", "CONFIG", "--account-from-sts"],
}
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"}
ROLE = "role_arn = arn:aws:iam::123456789012:role/deployer\n"
SSO = "sso_session = corp\nsso_account_id = 123456789012\nsso_role_name = admin\n"
SESSION = "[sso-session corp]\nsso_region = us-east-1\nsso_start_url = https://example.com\n"
# The file of a session's token, which the AWS CLI names after the session.
TOKEN = f".aws/sso/cache/{hashlib.sha1(b'corp').hexdigest()}.json"
SOURCE = "[profile base]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = secret\n"


@dataclass(frozen=True)
class Fault:
    """Something that is wrong with credentials or connection, and the words that name it and its fix."""

    words: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)
    config: str = ""
    credentials: str = ""
    # The cached token of an SSO session.
    token: str = ""
    # What STS answers: error code and message.
    answer: tuple[str, str] | None = None


FAULTS = {
    "unknown profile": Fault(
        ("AWS profile 'nope' does not exist", "set AWS_PROFILE to one of dev", "--profile nope"),
        {"AWS_PROFILE": "nope"},
        "[profile dev]\nregion = us-east-1\n",
    ),
    "empty profile": Fault(("AWS_PROFILE is empty", "unset"), {"AWS_PROFILE": ""}),
    "no credentials": Fault(("no AWS credentials were found", "aws configure")),
    "a profile without credentials": Fault(
        ("profile 'dev' has no credentials", "aws configure"),
        {"AWS_PROFILE": "dev"},
        "[profile dev]\nregion = us-east-1\n",
    ),
    "a key without its secret": Fault(
        ("lack AWS_SECRET_ACCESS_KEY", "set AWS_SECRET_ACCESS_KEY"), {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE"}
    ),
    "a secret without its key": Fault(
        ("lack AWS_ACCESS_KEY_ID", "set AWS_ACCESS_KEY_ID"), {"AWS_SECRET_ACCESS_KEY": "secret"}
    ),
    "half a key pair in a file": Fault(
        ("lack aws_secret_access_key",), credentials="[default]\naws_access_key_id = AKIAEXAMPLE\n"
    ),
    "SSO never started": Fault(
        ("SSO session of profile 'corp'", "aws sso login --profile corp"),
        {"AWS_PROFILE": "corp"},
        f"[profile corp]\n{SSO}{SESSION}",
    ),
    "SSO expired": Fault(
        ("SSO session of profile 'corp' has expired", "aws sso login --profile corp"),
        {"AWS_PROFILE": "corp"},
        f"[profile corp]\n{SSO}{SESSION}",
        token='{"accessToken": "t", "expiresAt": "2020-01-01T00:00:00Z"}',
    ),
    "a damaged SSO token": Fault(
        ("SSO session of profile 'corp'", "aws sso login --profile corp"),
        {"AWS_PROFILE": "corp"},
        f"[profile corp]\n{SSO}{SESSION}",
        token="{",
    ),
    "an SSO session that is not there": Fault(
        ("sso-session does not exist", "AWS_CONFIG_FILE"), {"AWS_PROFILE": "corp"}, f"[profile corp]\n{SSO}"
    ),
    "malformed config": Fault((".aws/config", "line: 1", "correct it"), config="what is this\n"),
    "malformed credentials": Fault((".aws/credentials", "correct it"), credentials="[default\n"),
    "a source profile that is not there": Fault(
        ('"base"', "does not exist", "correct it"),
        {"AWS_PROFILE": "dev"},
        f"[profile dev]\n{ROLE}source_profile = base\n",
    ),
    "a role that may not be assumed": Fault(
        ("role of profile 'dev' could not be assumed", "not authorized", "sts:AssumeRole", "trust policy"),
        {"AWS_PROFILE": "dev"},
        f"[profile dev]\n{ROLE}source_profile = base\n{SOURCE}",
        answer=("AccessDenied", "User x is not authorized to perform: sts:AssumeRole"),
    ),
    "a program that fails": Fault(
        ("could not be read", "credential_process"),
        {"AWS_PROFILE": "dev"},
        "[profile dev]\ncredential_process = /bin/false\n",
    ),
    "a program that does not exist": Fault(
        ("could not be read", "credential_process"),
        {"AWS_PROFILE": "dev"},
        "[profile dev]\ncredential_process = /nowhere/program\n",
    ),
    "a web identity without its token": Fault(
        ("could not be read", "AWS_WEB_IDENTITY_TOKEN_FILE"),
        {"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/x", "AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere/token"},
    ),
    "expired credentials": Fault(
        ("have expired", "sign in again"), KEYS, answer=("ExpiredToken", "The security token is expired")
    ),
    "an unknown key": Fault(
        ("does not know the access key", "aws sts get-caller-identity"),
        KEYS,
        answer=("InvalidClientTokenId", "The security token included in the request is invalid"),
    ),
    "a wrong secret": Fault(
        ("refused the secret key", "copy the secret access key"),
        KEYS,
        answer=("SignatureDoesNotMatch", "The request signature we calculated does not match"),
    ),
    "a clock that is late": Fault(
        ("refused the time", "set the clock"),
        KEYS,
        answer=("SignatureDoesNotMatch", "Signature expired: 20261126T000000Z is now earlier than"),
    ),
    "a request that is too old": Fault(
        ("refused the time", "set the clock"), KEYS, answer=("RequestExpired", "Request has expired.")
    ),
    "an unreachable endpoint": Fault(
        ("could not be reached", "AWS_ENDPOINT_URL"), {**KEYS, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    ),
    "an endpoint that is no URL": Fault(
        ("not valid", "AWS_ENDPOINT_URL"), {**KEYS, "AWS_ENDPOINT_URL": "localhost"}
    ),
    "a line break in a key": Fault(
        ("a character that HTTP does not allow", "line breaks"), {**KEYS, "AWS_ACCESS_KEY_ID": "AKIA\n"}
    ),
    "a program that prints no object": Fault(
        ("could not be read", "the programs that it names"),
        {"AWS_PROFILE": "dev"},
        "[profile dev]\ncredential_process = echo []\n",
    ),
    "STS is down": Fault(("did not answer", "later"), KEYS, answer=("InternalFailure", "internal failure")),
}
MFA = Fault(
    ("MFA code", "in a terminal", "export-credentials --profile dev"),
    {"AWS_PROFILE": "dev"},
    f"[profile dev]\n{ROLE}source_profile = base\nmfa_serial = arn:aws:iam::1:mfa/me\n{SOURCE}",
)
GOOD = Fault((), KEYS)
Run = Callable[[Fault, list[str]], "tuple[int, str, str]"]


def answered(
    fault: Fault, arn: str = "arn:aws:iam::999999999999:user/me"
) -> Callable[[BaseHTTPRequestHandler, bytes], None]:
    """STS with one answer: the fault's, or an identity, which is of another account than the config's."""
    code, message = fault.answer or ("", "")
    status = 400 if code else 200
    text = f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    if not code:
        result = f"<GetCallerIdentityResult><Arn>{arn}</Arn></GetCallerIdentityResult>"
        text = f"<GetCallerIdentityResponse>{result}</GetCallerIdentityResponse>"

    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text.encode())

    return answer


@pytest.fixture
def config(tmp_path: Path) -> Path:
    data = {
        "stackName": "demo",
        "eksVersion": "1.35",
        "region": "us-east-1",
        "accountId": "123456789012",
        "modelBucketArn": "arn:aws:s3:::models",
        "modelsRuntime": [{"name": "turbo", "type": "sdwebui", "modelFilename": "m.safetensors"}],
    }
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


def environment(fault: Fault, home: Path) -> dict[str, str]:
    """The variables of the fault, with its files in ~/.aws."""
    (home / TOKEN).parent.mkdir(parents=True)
    if fault.token:
        (home / TOKEN).write_text(fault.token)
    (home / ".aws" / "config").write_text(fault.config)
    (home / ".aws" / "credentials").write_text(fault.credentials)
    return {"HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "1", **fault.env}


@pytest.fixture
def run(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """Runs a command under a fault: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)

    def run(fault: Fault, words: list[str]) -> tuple[int, str, str]:
        with Server(answered(fault)) as server:
            monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
            for name, value in environment(fault, tmp_path / "home").items():
                monkeypatch.setenv(name, value)
            code = main.main([str(config) if word == "CONFIG" else word for word in words])
        out, err = capsys.readouterr()
        return code, out, err

    with shared_models():
        yield run


def one_line(err: str) -> str:
    """The only line of standard error, apart from the config's own warnings."""
    [line] = [line for line in err.splitlines() if line.startswith("generator")]
    assert "Traceback" not in err
    assert "bug" not in err
    return line


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_line_that_names_it_and_its_fix(name: str, run: Run) -> None:
    code, _, err = run(FAULTS[name], COMMANDS["status"])

    line = one_line(err)
    assert code == Exit.AWS
    assert [word for word in FAULTS[name].words if word not in line] == []


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", ["unknown profile", "no credentials", "malformed config"])
def test_every_command_that_asks_aws_ends_with_that_line(command: str, name: str, run: Run) -> None:
    code, out, err = run(FAULTS[name], COMMANDS[command])

    line = one_line(err)
    assert code == Exit.AWS
    assert out == ""
    assert [word for word in FAULTS[name].words if word not in line] == []


@pytest.mark.parametrize("command", ["deploy", "uninstall"])
def test_without_credentials_the_last_build_stays_as_it_is(command: str, run: Run, tmp_path: Path) -> None:
    run(FAULTS["no credentials"], COMMANDS[command])

    assert not (tmp_path / "build").exists()


@pytest.mark.parametrize("command", ["preflight", "deploy", "uninstall", "status", "smoke"])
def test_credentials_of_another_account_are_refused_with_both_fixes(command: str, run: Run) -> None:
    code, _, err = run(GOOD, COMMANDS[command])

    line = one_line(err)
    assert code == Exit.CONFIG
    assert "user/me is not in account 123456789012" in line
    assert 'set accountId: "999999999999"' in line


@pytest.mark.parametrize(
    ("works_in", "region", "words"),
    [
        ("us-east-1", "ap-east-1", ("region ap-east-1 is disabled in account", "aws account enable-region")),
        ("cn-north-1", "us-east-1", ("aws-cn", "is not in partition aws", "a region of aws-cn")),
    ],
)
def test_a_key_that_works_in_another_region_only_is_told_apart_from_a_wrong_one(
    works_in: str, region: str, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disabled region and a foreign partition answer like AWS: as if they did not know the key."""
    partition = "aws-cn" if works_in.startswith("cn") else "aws"
    good = answered(GOOD, f"arn:{partition}:iam::999999999999:user/me")
    bad = answered(FAULTS["an unknown key"])

    def answer(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        (good if f"/{works_in}/sts/" in handler.headers["Authorization"] else bad)(handler, body)

    with Server(answer) as server:
        for name, value in {**KEYS, "AWS_ENDPOINT_URL": server.url}.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(CredentialsError) as caught:
            identity.identity(Aws(region))

    assert [word for word in words if word not in str(caught.value)] == []


def test_preflight_as_json_holds_the_one_result(run: Run) -> None:
    code, out, _ = run(FAULTS["no credentials"], [*COMMANDS["preflight"], "--format", "json"])

    [row] = json.loads(out)
    assert code == Exit.AWS
    assert (row["theme"], row["status"]) == ("credentials", "could not check")
    assert "aws configure" in row["help"]


@pytest.mark.parametrize(
    "name", ["unknown profile", "no credentials", "malformed config", "expired credentials"]
)
@pytest.mark.parametrize("command", ["deploy", "uninstall"])
def test_a_dry_run_says_once_why_aws_was_not_asked_and_goes_on(name: str, command: str, run: Run) -> None:
    code, out, err = run(FAULTS[name], [*COMMANDS[command], "--dry-run"])

    [line] = [line for line in out.splitlines() if line.startswith("# AWS could not be asked")]
    assert (code, err) == (Exit.DONE, "")
    assert [word for word in FAULTS[name].words if word not in line] == []
    assert "$ eksctl" in out


def test_an_mfa_code_that_nobody_can_enter_is_one_line(config: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "generator", "status", str(config)]
    env = environment(MFA, tmp_path / "home")

    # Without a terminal: a session of its own has none.
    result = subprocess.run(
        command, env=env, capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip

    line = result.stderr.splitlines()[-1]
    assert result.returncode == Exit.AWS
    assert "Traceback" not in result.stderr
    assert [word for word in MFA.words if word not in line] == []
