"""Keys by command: each value is printed once, a rotation has no gap, a revoked key ends at once."""

import json
import re
import urllib.error
import urllib.request
from typing import Any

import pytest

from generator.cli import main
from generator.deploy import api, keys, steps
from generator.deploy.job import RefusedError
from generator.errors import AwsError, Exit
from generator.solution.http_api import ApiKey, Quota
from local.cloud import api_url
from testing.account import Account
from tests.deploy.conftest import Bench, MakeBench

LIMITS = ApiKey("web-shop", 5, 10, Quota(1000, "DAY"))
CONFIGURED = {"APIGW": {"keys": [{"name": "newsroom"}]}}


@pytest.fixture
def deployed(bench: MakeBench) -> Bench:
    made = bench("one", **CONFIGURED)
    steps.run(made.job, ["stack"])
    return made


def status(deployed: Bench, account: Account, key: str) -> int:
    url = api_url(account.endpoint, api.endpoint(deployed.job).url)
    # The emulator takes the account of a call from its signature.
    scope = f"Credential={account.id}/20260101/{account.region}/execute-api/aws4_request"
    signature = f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"
    headers = {"x-api-key": key, "authorization": signature}
    request = urllib.request.Request(f"{url}/openapi.json", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def add(deployed: Bench) -> str:
    return keys.add(deployed.job, api.endpoint(deployed.job).api_id, LIMITS)


def found(deployed: Bench, name: str = "web-shop") -> keys.DeployedKey:
    key = keys.find(deployed.job, name)
    assert key is not None
    return key


def test_every_key_is_listed_with_its_limits_and_without_its_value(deployed: Bench) -> None:
    value = add(deployed)

    listed = keys.every(deployed.job)

    assert [(key.name, key.source) for key in listed] == [
        ("default", "stack"),
        ("newsroom", "config"),
        ("web-shop", "command"),
    ]
    assert listed[2].limits == LIMITS
    assert value not in repr(listed)


def test_a_new_key_opens_the_api_and_names_itself(deployed: Bench, account: Account) -> None:
    value = add(deployed)

    assert re.fullmatch("web-shop-[A-Za-z0-9]{40}", value)
    assert status(deployed, account, value) == 200


def test_a_name_is_given_once(deployed: Bench) -> None:
    add(deployed)

    with pytest.raises(RefusedError, match="already"):
        add(deployed)
    with pytest.raises(RefusedError, match="already"):
        keys.add(deployed.job, "api", ApiKey("default", 1, 1))


def test_an_interrupted_add_is_completed_by_the_next(deployed: Bench, account: Account) -> None:
    stage = deployed.job.solution.api.stage
    tags = {"sd-on-eks/stack": "demo", "sd-on-eks/api-key": "web-shop"}
    api_id = api.endpoint(deployed.job).api_id
    account.client("apigateway").create_usage_plan(
        name="demo-api-web-shop", apiStages=[{"apiId": api_id, "stage": stage}], tags=tags
    )

    assert status(deployed, account, add(deployed)) == 200
    assert len([key for key in keys.every(deployed.job) if key.name == "web-shop"]) == 1


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["default", "newsroom", "web-shop"])
def test_a_rotated_key_has_two_values_until_the_old_one_is_ended(
    deployed: Bench, account: Account, name: str
) -> None:
    if name == "web-shop":
        add(deployed)
    old = api.client(deployed.job, name).key

    new = keys.rotate(deployed.job, found(deployed, name))

    assert [status(deployed, account, key) for key in (old, new)] == [200, 200]
    *before, _ = found(deployed, name).values
    assert keys.end(deployed.job, found(deployed, name), before) == 1
    assert [status(deployed, account, key) for key in (old, new)] == [403, 200]
    assert api.client(deployed.job, name).key == new


def test_a_revoked_key_is_refused_and_its_usage_plan_is_gone(deployed: Bench, account: Account) -> None:
    value = add(deployed)

    assert keys.revoke(deployed.job, found(deployed)) == 1

    assert status(deployed, account, value) == 403
    assert keys.find(deployed.job, "web-shop") is None


def test_a_revoked_key_of_the_config_stays_for_cloudformation_to_delete(
    deployed: Bench, account: Account
) -> None:
    value = api.client(deployed.job, "newsroom").key

    keys.revoke(deployed.job, found(deployed, "newsroom"))

    assert status(deployed, account, value) == 403
    assert [entry.active for entry in found(deployed, "newsroom").values] == [False]
    with pytest.raises(RefusedError, match="no valid value"):
        api.client(deployed.job, "newsroom")


def test_keys_of_another_solution_and_those_made_by_hand_are_left_alone(
    deployed: Bench, account: Account
) -> None:
    client = account.client("apigateway")
    plan = found(deployed, "default").plan
    by_hand = client.create_api_key(name="demo-api-by-hand", enabled=True)
    client.create_usage_plan_key(usagePlanId=plan, keyId=by_hand["id"], keyType="API_KEY")
    tags = {"sd-on-eks/stack": "demo2", "sd-on-eks/api-key": "default"}
    client.create_api_key(name="demo-api-2", enabled=True, tags=tags)

    assert len(found(deployed, "default").values) == 1


@pytest.mark.thorough
def test_what_the_command_made_is_gone_before_the_stack_is_deleted(deployed: Bench, account: Account) -> None:
    add(deployed)

    keys.remove_all(deployed.job)

    assert [key.name for key in keys.every(deployed.job)] == ["default", "newsroom"]


def test_without_a_stack_there_is_no_api(bench: MakeBench) -> None:
    with pytest.raises(AwsError, match="does not exist"):
        api.endpoint(bench("one").job)


Say = pytest.CaptureFixture[str]


@pytest.fixture
def config(deployed: Bench, account: Account, tmp_path: Any) -> str:
    solution = deployed.job.solution
    path = tmp_path / "config.json"
    runtime = {"name": "one", "type": "sdwebui", "modelFilename": "one.safetensors"}
    top = {"stackName": solution.stack, "eksVersion": "1.34", "region": "us-east-1", "accountId": account.id}
    models = {"modelBucketArn": "arn:aws:s3:::models", **CONFIGURED}
    path.write_text(json.dumps({**top, **models, "modelsRuntime": [runtime]}))
    return str(path)


@pytest.mark.thorough
def test_the_commands_print_what_a_shell_can_run_and_list_no_value(
    deployed: Bench, account: Account, config: str, capsys: Say
) -> None:
    assert main.main(["keys", "add", config, "cli", "--rate", "2", "--quota", "10/week"]) == Exit.DONE
    exports = capsys.readouterr().out
    [value] = re.findall(r"export API_URL=https://\S+/prod API_KEY=(\S+)\n", exports)
    assert status(deployed, account, value) == 200
    assert main.main(["api", config, "--key", "cli"]) == Exit.DONE
    assert capsys.readouterr().out == exports

    assert main.main(["keys", "list", config, "--format", "json"]) == Exit.DONE
    text = capsys.readouterr().out
    assert value not in text
    row = next(row for row in json.loads(text) if row["name"] == "cli")
    assert (row["rateLimit"], row["burstLimit"], row["quota"], row["values"]) == (2, 50, "10/week", 1)

    assert main.main(["keys", "rotate", config, "cli", "--now", "--yes"]) == Exit.DONE
    assert status(deployed, account, value) == 403
    assert main.main(["keys", "revoke", config, "cli", "--yes"]) == Exit.DONE
    assert keys.find(deployed.job, "cli") is None


def test_the_secret_of_webhooks_is_asked_of_the_api(deployed: Bench, config: str, capsys: Say) -> None:
    """The tests reach the API of the emulator at another address than that of the stack's output."""
    assert main.main(["keys", "webhook-secret", config, "default"]) == Exit.AWS
    assert "execute-api.us-east-1.amazonaws.com/prod did not answer" in capsys.readouterr().err


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["add"], "needs the NAME"),
        (["add", "Web"], "needs the NAME"),
        (["add", "newsroom"], "APIGW.keys"),
        (["add", "cli", "--rate", "31"], "--rate 31"),
        (["add", "cli", "--burst", "-1"], "--burst -1"),
        (["rotate", "nobody"], "no API key 'nobody'"),
        (["revoke", "default", "--yes"], "rotate it instead"),
        (["revoke", "newsroom"], "nothing was changed"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_reason(
    words: list[str], reason: str, config: str, capsys: Say
) -> None:
    action, *rest = words

    assert main.main(["keys", action, config, *rest]) == Exit.CONFIG
    assert reason in capsys.readouterr().err


@pytest.mark.thorough
@pytest.mark.parametrize("quota", ["10", "0/day", "10/year", "-1/day", "10/day/2"])
def test_a_quota_has_a_number_and_a_period(quota: str, config: str) -> None:
    with pytest.raises(SystemExit):
        main.main(["keys", "add", config, "cli", "--quota", quota])
