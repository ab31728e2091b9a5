"""Digests: read from a registry that answers as public ones do, and from ECR in the emulator."""

import hashlib
import json
import socket
import subprocess
import sys
import threading
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
    """A registry like ghcr.io and public.ecr.aws: a token for any client, then the digest of team/tool:1."""
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
        parameters = f'realm="{scheme}://{host}/token",service="tests"'
        return 401, {"WWW-Authenticate": f'Bearer {parameters},scope="repository:team/tool:pull"'}, {}
    if handler.path == "/v2/team/tool/manifests/2" or "/karpenter/" in handler.path:
        return 404, {}, {}
    accepts_index = "application/vnd.oci.image.index.v1+json" in handler.headers["Accept"]
    return 200, {"Docker-Content-Digest": INDEX if accepts_index else ONE}, {}


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
def test_an_image_that_cannot_be_read_has_a_reason_and_no_digest(
    registry: str, path: str, reason: str
) -> None:
    result = image_digests.of_registry(f"{registry}/{path}")

    assert result.digest is None
    assert reason in result.reason


def test_a_server_that_is_no_registry_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"220 mail.example.com ESMTP\r\n")

        threading.Thread(target=greet, daemon=True).start()
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        result = image_digests.of_registry(f"{host}/team/tool:1")

    assert result.digest is None
    assert result.reason.startswith(f"{host} does not answer")


def test_a_registry_that_is_not_there_is_named() -> None:
    result = image_digests.of_registry("127.0.0.1:9/team/tool:1")

    assert result.digest is None
    assert result.reason.startswith("127.0.0.1:9 does not answer")


def test_the_digest_of_a_copied_image_is_read_from_its_source(registry: str) -> None:
    image = Image("KEDA", "copied", f"{registry}/team/tool:1", "mirror.example.com/team/tool:1")

    assert image_digests.digests([image], image_digests.of_registry) == {image.name: DigestResult(INDEX)}


def test_a_digest_that_the_config_names_is_not_asked_for() -> None:
    image = Image("runtime", "yours", f"quay.io/mine@{ONE}", f"quay.io/mine@{ONE}")

    def fail(name: str) -> DigestResult:
        raise AssertionError(name)

    assert image_digests.digests([image], fail) == {image.name: DigestResult(ONE)}


def test_the_script_copies_by_digest_and_not_by_a_tag_that_may_have_moved() -> None:
    image = Image(
        "KEDA", "copied", "ghcr.io:443/kedacore/keda:2.20.2", "mirror.example.com/kedacore/keda:2.20.2"
    )

    text = copy_script.script(image_digests.pinned([image], {image.name: DigestResult(INDEX)}), "crane")

    assert f"crane copy ghcr.io:443/kedacore/keda@{INDEX} mirror.example.com/kedacore/keda:2.20.2" in text


Images = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def list_images(account: Account, tmp_path: Path) -> Iterator[Images]:
    """Runs `generator images` against our own stand-in for public registries; ECR is the emulator's."""
    config = write_config(tmp_path, account, {"name": "one", "type": "comfyui"})
    with HttpsProxy(["ghcr.io", "public.ecr.aws"], tmp_path, answer) as proxy:

        def run(*words: str) -> subprocess.CompletedProcess[str]:
            program = Path(sys.executable).with_name("generator")
            line = [str(program), "images", str(config), "--digests", *words]
            return subprocess.run(
                line, env=account.env | proxy.env, capture_output=True, text=True, check=False
            )

        yield run


@pytest.mark.thorough
def test_the_list_has_the_digests_of_ecr_and_public_registries(account: Account, list_images: Images) -> None:
    ecr, manifest = account.client("ecr"), '{"schemaVersion": 2}'
    for repository, tag in (("sd-on-eks/comfyui", "0.33.0"), ("sd-on-eks/queue-agent", "0.1.0")):
        ecr.create_repository(repositoryName=repository)
        ecr.put_image(repositoryName=repository, imageTag=tag, imageManifest=manifest)

    rows = json.loads(list_images("--format", "json").stdout)

    digests = {row["name"].rpartition("/")[2]: row["digest"] for row in rows}
    assert digests["comfyui:0.33.0"] == f"sha256:{hashlib.sha256(manifest.encode()).hexdigest()}"
    assert digests["keda:2.20.2"] == INDEX


def test_a_digest_follows_its_image(list_images: Images) -> None:
    [row] = [
        line.split() for line in list_images().stdout.splitlines() if " ghcr.io/kedacore/keda:2.20.2 " in line
    ]
    assert row[-2:] == ["ghcr.io/kedacore/keda:2.20.2", INDEX]


@pytest.mark.thorough
def test_an_unknown_digest_is_reported_and_ends_with_three(list_images: Images) -> None:
    result = list_images()

    assert result.returncode == Exit.AWS
    assert (
        "no digest of public.ecr.aws/karpenter/controller:1.14.1: public.ecr.aws answers 404" in result.stderr
    )
    assert "/sd-on-eks/comfyui:0.33.0: it is not in ECR" in result.stderr


def test_an_image_that_is_not_built_yet_is_not_missing() -> None:
    built = Image("runtime", "built", "images/comfyui", "registry.test/comfyui:1")
    published = Image("KEDA", "pulled", "ghcr.io/keda:1", "ghcr.io/keda:1")

    results = {built.name: DigestResult(None, "it is not in ECR"), published.name: DigestResult(INDEX)}

    assert image_digests.missing([built, published], results) == []
    assert image_digests.missing([built, published], {**results, published.name: DigestResult(None)}) == [
        published.name
    ]
