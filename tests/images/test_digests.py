"""Digests: asked of a registry that speaks as public ones do, and of ECR in the emulator."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from generator.errors import Exit
from generator.images import digests as image_digests
from generator.images import script as copy_script
from generator.images.digests import DigestResult
from generator.images.images import Image
from testing.account import Account, write_config
from testing.https_proxy import HttpsProxy
from testing.relay import Server

INDEX, ONE = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"


def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    """A registry as ghcr.io and public.ecr.aws are: a token for anybody, then the digest of team/tool:1."""
    status, headers, body = _registry(handler)
    content = json.dumps(body).encode()
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(content)


def _registry(handler: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], Any]:
    if handler.path.startswith("/token?service=tests&scope=repository%3Ateam%2Ftool%3Apull"):
        return 200, {}, {"token": "anybody"}
    if handler.path.startswith("/v2/private/"):
        return 401, {"WWW-Authenticate": 'Basic realm="private"'}, {}
    if handler.headers.get("Authorization") != "Bearer anybody":
        host = handler.headers["Host"]
        scheme = "http" if host.startswith("127.") else "https"
        where = f'realm="{scheme}://{host}/token",service="tests"'
        return 401, {"WWW-Authenticate": f'Bearer {where},scope="repository:team/tool:pull"'}, {}
    if handler.path == "/v2/team/tool/manifests/2" or "/karpenter/" in handler.path:
        return 404, {}, {}
    of_all = "application/vnd.oci.image.index.v1+json" in handler.headers["Accept"]
    return 200, {"Docker-Content-Digest": INDEX if of_all else ONE}, {}


@pytest.fixture(scope="module")
def registry() -> Iterator[str]:
    """The registry's host."""
    with Server(answer) as server:
        yield server.url.removeprefix("http://")


def test_a_public_image_has_the_digest_of_all_its_architectures(registry: str) -> None:
    assert image_digests.of_registry(f"{registry}/team/tool:1") == DigestResult(INDEX)


@pytest.mark.parametrize(
    ("path", "reason"), [("team/tool:2", "answers 404"), ("private/tool:1", "answers 401")]
)
def test_an_image_that_nobody_may_see_has_a_reason_and_no_digest(
    registry: str, path: str, reason: str
) -> None:
    found = image_digests.of_registry(f"{registry}/{path}")

    assert found.digest is None
    assert reason in found.reason


def test_a_registry_that_is_not_there_is_named() -> None:
    found = image_digests.of_registry("127.0.0.1:9/team/tool:1")

    assert found.digest is None
    assert found.reason.startswith("127.0.0.1:9 does not answer")


def test_what_is_copied_is_asked_about_where_it_comes_from(registry: str) -> None:
    image = Image("KEDA", "copied", f"{registry}/team/tool:1", "mirror.example.com/team/tool:1")

    assert image_digests.digests([image], image_digests.of_registry) == {image.name: DigestResult(INDEX)}


def test_a_digest_that_the_config_names_is_not_asked_for() -> None:
    image = Image("runtime", "yours", f"quay.io/mine@{ONE}", f"quay.io/mine@{ONE}")

    def nobody(name: str) -> DigestResult:
        raise AssertionError(name)

    assert image_digests.digests([image], nobody) == {image.name: DigestResult(ONE)}


def test_the_script_copies_what_was_asked_about_and_not_what_the_tag_may_be_by_then() -> None:
    image = Image(
        "KEDA", "copied", "ghcr.io:443/kedacore/keda:2.20.2", "mirror.example.com/kedacore/keda:2.20.2"
    )

    text = copy_script.script(image_digests.pinned([image], {image.name: DigestResult(INDEX)}), "crane")

    assert f"crane copy ghcr.io:443/kedacore/keda@{INDEX} mirror.example.com/kedacore/keda:2.20.2" in text


Images = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def listed(account: Account, tmp_path: Path) -> Iterator[Images]:
    """Runs `generator images` where public registries are ours; ECR is the emulator's."""
    config = write_config(tmp_path, account, {"name": "one", "type": "comfyui"})
    with HttpsProxy(["ghcr.io", "public.ecr.aws"], tmp_path, answer) as proxy:

        def run(*words: str) -> subprocess.CompletedProcess[str]:
            program = Path(sys.executable).with_name("generator")
            line = [str(program), "images", str(config), "--digests", *words]
            return subprocess.run(
                line, env=account.env | proxy.env, capture_output=True, text=True, check=False
            )

        yield run


def test_the_list_has_what_ecr_and_public_registries_say(account: Account, listed: Images) -> None:
    ecr, manifest = account.client("ecr"), '{"schemaVersion": 2}'
    for repository, tag in (("sd-on-eks/comfyui", "0.8.0"), ("sd-on-eks/queue-agent", "0.1.0")):
        ecr.create_repository(repositoryName=repository)
        ecr.put_image(repositoryName=repository, imageTag=tag, imageManifest=manifest)

    rows = json.loads(listed("--format", "json").stdout)

    known = {row["name"].rpartition("/")[2]: row["digest"] for row in rows}
    assert known["comfyui:0.8.0"] == f"sha256:{hashlib.sha256(manifest.encode()).hexdigest()}"
    assert known["keda:2.20.2"] == INDEX


def test_a_digest_stands_behind_its_image(listed: Images) -> None:
    [row] = [
        line.split() for line in listed().stdout.splitlines() if " ghcr.io/kedacore/keda:2.20.2 " in line
    ]
    assert row[-2:] == ["ghcr.io/kedacore/keda:2.20.2", INDEX]


def test_what_is_not_known_is_said_and_ends_with_three(listed: Images) -> None:
    ran = listed()

    assert ran.returncode == Exit.AWS
    assert "no digest of public.ecr.aws/karpenter/controller:1.14.1: public.ecr.aws answers 404" in ran.stderr
    assert "/sd-on-eks/comfyui:0.8.0: it is not in ECR" in ran.stderr


def test_what_is_still_to_be_built_has_no_digest_to_miss() -> None:
    built = Image("runtime", "built", "images/comfyui", "registry.test/comfyui:1")
    known = Image("KEDA", "pulled", "ghcr.io/keda:1", "ghcr.io/keda:1")

    found = {built.name: DigestResult(None, "it is not in ECR"), known.name: DigestResult(INDEX)}

    assert image_digests.missing([built, known], found) == []
    assert image_digests.missing([built, known], {**found, known.name: DigestResult(None)}) == [known.name]
