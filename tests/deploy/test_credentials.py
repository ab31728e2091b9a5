"""What each command that asks AWS prints when the credentials or the connection do not work: one line."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
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
from tests.deploy.credential_faults import COMMANDS, FAULTS, KEYS, MFA, TOKEN, Fault

pytestmark = pytest.mark.thorough

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
