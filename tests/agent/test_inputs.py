"""Images by URL, fetched by the real fetcher from a server with a certificate of its own."""

import ssl
from collections.abc import AsyncIterator

import pytest
import trustme
from aiobotocore.session import get_session
from aiohttp import web
from queue_agent.contract import RuntimeUnavailable, TaskError
from queue_agent.task.images import MAX_PIXELS
from queue_agent.task.input_urls import url_at
from queue_agent.task.inputs import InputLimits, Inputs
from queue_agent.task.public_addresses import is_public

from testing.account import Account

from .picture_server import HOST, OWN_KEYS, ROUTES, Here, image

# Both take long to create, and no test changes them.
SESSION = get_session()
AUTHORITY = trustme.CA()
CERTIFICATE = AUTHORITY.issue_cert(HOST)


@pytest.fixture
async def fetch(account: Account) -> AsyncIterator:
    """Fetches the inputs of one task; gives the first."""
    serving, trusting = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    CERTIFICATE.configure_cert(serving)
    AUTHORITY.configure_trust(trusting)
    app = web.Application()
    app.add_routes(ROUTES)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=serving).start()
    port = runner.addresses[0][1]
    async with SESSION.create_client("s3", **keys(account)) as s3:
        limits = InputLimits(
            max_bytes=100_000,
            seconds=2,
            buckets=(f"inputs-{account.id}",),
            own_bucket=f"own-{account.id}",
        )
        inputs = Inputs(s3, limits, Here(), tls=trusting)

        async def fetched(*urls: str, owner: str = "default"):
            places = {
                "//HERE": f"//{HOST}:{port}",
                "//OURS": f"//{limits.buckets[0]}",
                "//OWN": f"//{limits.own_bucket}",
            }
            for name, address in places.items():
                urls = tuple(url.replace(name, address) for url in urls)
            fields = [("images", n) for n in range(len(urls))]
            return (await inputs.fetch({"images": urls}, fields, owner=owner))[fields[0]]

        await s3.create_bucket(Bucket=limits.buckets[0])
        await s3.create_bucket(Bucket=limits.own_bucket)
        for key in OWN_KEYS:
            await s3.put_object(Bucket=limits.own_bucket, Key=key, Body=image())
        yield fetched
        await inputs.aclose()
    await runner.cleanup()


async def test_an_upload_is_fetched_for_the_key_that_made_it(fetch):
    assert (await fetch(f"s3://OWN/{OWN_KEYS[0]}", owner="web-shop")).content_type == "image/png"
    assert (await fetch(f"s3://OWN/{OWN_KEYS[1]}")).content_type == "image/png"


@pytest.mark.thorough
@pytest.mark.parametrize(
    "url",
    [
        f"s3://OWN/.assets/web-shop/uploads/{'a' * 32}",
        f"s3://OWN/.assets/default/uploads/../../web-shop/uploads/{'a' * 32}",
        f"s3://OWN/.assets/default/uploads/%2e%2e/%2e%2e/web-shop/uploads/{'a' * 32}",
        f"s3://OWN//.assets/default/uploads/{'b' * 32}",
        "s3://OWN/.assets/default/other",
        "s3://OWN/cat/cat-1.png",
        "s3://OWN/.tasks/cat/request.json",
        f"s3://OURS.OWN/.assets/default/uploads/{'b' * 32}",
    ],
)
async def test_nothing_else_of_the_runtimes_bucket_is_an_input(fetch, url: str):
    with pytest.raises(TaskError) as raised:
        await fetch(url)

    assert raised.value.code == "input_refused"


async def test_an_image_is_what_its_bytes_say(fetch):
    fetched = await fetch("https://HERE/cat.png")

    assert (fetched.data.read(), fetched.content_type, fetched.extension) == (image(), "image/png", "png")
    assert (await fetch("https://HERE/cat.jpg")).content_type == "image/jpeg"


async def test_a_redirect_to_a_public_address_is_followed(fetch):
    assert (await fetch("https://HERE/gone?to=/cat.png")).data.read() == image()


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("https://HERE/page", "input_not_image"),
        ("https://HERE/svg", "input_not_image"),
        ("https://HERE/bomb", "input_too_large"),
        ("https://HERE/gzip", "input_refused"),
        ("https://HERE/big", "input_too_large"),
        ("https://HERE/endless", "input_too_large"),
        ("https://HERE/none", "input_not_found"),
        ("https://HERE/loop", "input_refused"),
        ("https://HERE/gone?to=http://example.com/", "input_refused"),
        ("https://HERE/gone?to=https://169.254.169.254/latest/meta-data/", "input_refused"),
        ("https://HERE/gone?to=https://localhost/", "input_refused"),
        ("https://HERE/gone?to=file:///etc/passwd", "input_refused"),
        ("https://HERE/gone?to=s3://OURS/cat.png", "input_refused"),
        ("http://HERE/cat.png", "input_refused"),
        ("http://169.254.169.254/latest/meta-data/", "input_refused"),
        ("https://169.254.170.23/v1/credentials", "input_refused"),
        ("https://127.0.0.1:8080/sdapi/v1/options", "input_refused"),
        ("https://localhost/", "input_refused"),
        ("https://0x7f.1/", "input_refused"),
        ("https://2130706433/", "input_refused"),
        ("https://[::1]/", "input_refused"),
        ("https://[::ffff:169.254.169.254]/", "input_refused"),
        ("https://[fd00:ec2::254]/", "input_refused"),
        ("https://10.0.0.1/", "input_refused"),
        ("https://user:secret@HERE/cat.png", "input_refused"),
        ("https:///cat.png", "input_refused"),
        ("https://HERE:99999/cat.png", "input_refused"),
        ("file:///etc/passwd", "input_refused"),
        ("ftp://HERE/cat.png", "input_refused"),
        ("https://" + "a" * 5000, "input_refused"),
        ("https://" + "a" * 64 + ".example/cat.png", "input_refused"),
        ("https://a..example/cat.png", "input_refused"),
        ("https://-a.example/cat.png", "input_refused"),
        ("https://a b.example/cat.png", "input_refused"),
        ("https://" + "a." * 127 + "example/cat.png", "input_refused"),
        ("https://no-such-host.test/cat.png", "input_not_found"),
        ("https://no-address.test/cat.png", "input_not_found"),
        ("s3://somebody-elses/cat.png", "input_refused"),
        ("s3://OURS/absent.png", "input_not_found"),
    ],
)
async def test_what_is_not_an_image_or_leads_inside_is_the_tasks_fault(fetch, url: str, code: str):
    with pytest.raises(TaskError) as refused:
        await fetch(url)

    assert refused.value.code == code
    assert "secret" not in refused.value.message


async def test_a_cookie_of_one_task_is_not_sent_with_another(fetch):
    await fetch("https://HERE/cookie")

    assert (await fetch("https://HERE/without-cookie")).data.read() == image()


@pytest.mark.parametrize(
    "url",
    [
        "https://HERE/broken",
        "https://HERE/late",
        "https://HERE/slow",
        f"https://{HOST}:1/cat.png",
        "https://dns-down.test/cat.png",
    ],
)
async def test_a_server_that_is_broken_or_slow_is_the_worlds_fault(fetch, url: str):
    with pytest.raises(RuntimeUnavailable, match="input_unavailable"):
        await fetch(url)


async def test_all_inputs_of_a_task_have_one_deadline(fetch):
    with pytest.raises(RuntimeUnavailable, match=r"the inputs took longer than 2 s: https://.* and 7 more"):
        await fetch(*[f"https://HERE/some-time?{n}" for n in range(8)])


async def test_a_task_may_not_have_any_number_of_inputs(fetch):
    with pytest.raises(TaskError, match="33 inputs by URL; the maximum is 32"):
        await fetch(*[f"https://HERE/cat.png?{n}" for n in range(33)])
    assert (await fetch(*["https://HERE/cat.png"] * 100)).data.read() == image()


async def test_many_inputs_of_one_task_may_not_be_large_together(fetch):
    with pytest.raises(TaskError, match="total size"):
        await fetch(*[f"https://HERE/nearly-big?{n}" for n in range(5)])


def test_base64_and_what_is_not_text_are_not_urls():
    content = {"a": "iVBORw0KGgo=", "b": ["data:image/png;base64,iVBO"], "c": 7, "d": "https://e.org/"}

    urls = [url_at(content, field) for field in (("a",), ("b", 0), ("b", 1), ("c", "x"), ("e",), ("d",))]

    assert urls == [None] * 5 + ["https://e.org/"]


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("172.16.0.1", False),
        ("192.168.0.1", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("::ffff:8.8.8.8", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("2002:a9fe:a9fe::", False),
        ("fe80::1%eth0", False),
        ("fd00:ec2::254", False),
        ("ff02::1", False),
        ("name", False),
    ],
)
def test_an_address_is_public_or_it_is_not(address: str, public: bool):
    assert is_public(address) is public


def test_the_bomb_is_one():
    assert MAX_PIXELS < 50_000**2


def keys(account: Account) -> dict[str, str]:
    return {
        "endpoint_url": account.endpoint,
        "region_name": account.region,
        "aws_access_key_id": account.id,
        "aws_secret_access_key": "local",
    }
