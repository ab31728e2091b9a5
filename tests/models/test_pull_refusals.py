"""What S3 may refuse: each refusal says what to do, and the next run completes the copy."""

from http.server import BaseHTTPRequestHandler

import pytest

from generator.errors import Exit
from testing.relay import Reply, Server, forward, respond
from tests.models.conftest import CHECKPOINT, KEY, Ground

pytestmark = pytest.mark.thorough

AGAIN = "help: run it again: it continues"
ALLOW = "help: allow it as iam/models-policy.json of the build does"


@pytest.mark.parametrize(
    ("call", "status", "code", "help"),
    [
        ("HEAD ", 403, "", ALLOW),
        ("HEAD ", 301, "", "help: the bucket is in another region"),
        (".source.json", 403, "AccessDenied", ALLOW),
        ("POST uploads", 403, "AccessDenied", ALLOW),
        ("POST uploads", 400, "KMS.DisabledException", AGAIN),
        ("partNumber=2", 400, "BadDigest", AGAIN),
        ("partNumber=2", 503, "SlowDown", AGAIN),
        ("POST uploadId=", 200, "InternalError", AGAIN),
        ("PUT .source.json", 500, "InternalError", AGAIN),
    ],
)
def test_a_refusal_of_s3_says_what_to_do_and_the_next_run_completes_the_copy(
    ground: Ground,
    large: bytes,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    status: int,
    code: str,
    help: str,
) -> None:
    refusing, region = True, (("x-amz-bucket-region", "eu-west-1"),)
    words = call.split()
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>".encode()

    def answer(handler: BaseHTTPRequestHandler, content: bytes) -> None:
        asked = f"{handler.command} {handler.path}"
        if refusing and all(word in asked for word in words):
            respond(handler, Reply(status, region, b"" if handler.command == "HEAD" else body))
        else:
            respond(handler, forward(handler, content, ground.account.endpoint))

    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with Server(answer) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        assert ground.pull(CHECKPOINT) == Exit.AWS
        assert help in ground.err
        assert ground.err.count(ground.bucket) == 2, "once for the file, once for what was refused"
        refusing = False
        assert ground.pull(CHECKPOINT) == Exit.DONE, ground.err

    assert ground.stored(KEY) == large
    assert not ground.s3.list_multipart_uploads(Bucket=ground.bucket).get("Uploads")
