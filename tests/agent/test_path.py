"""The way of a task from the queue to the callback, by process."""

import hashlib
import io
import json
import time
import urllib.error
import urllib.request

import pytest
from PIL import Image
from queue_agent.task.protocol import canonical_json, content_key

from testing.proxy import Fault, Proxy, calls_to
from testing.world import World, log_records, port_of, wait_for


def png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "PNG")
    return out.getvalue()


def test_a_task_ends_with_pictures_a_record_and_a_callback(world: World):
    runtime = world.runtime("--service-time", "0.1")
    world.agent(runtime.url)

    world.send(["cat"], {"batch_size": 2}, prefix="animals/small/", context={"user": 7})
    callback = world.callbacks_for(["cat"])["cat"]

    record = world.object("animals/small/cat/result.json")
    assert callback["status"] == "completed" and callback["result"] is True
    assert callback["context"] == {"user": 7}
    assert callback["image_url"] == [f"s3://{world.bucket}/animals/small/cat/cat-{n}.png" for n in (1, 2)]
    assert callback["output_url"] == f"s3://{world.bucket}/animals/small/cat/result.json"
    assert [output["content_type"] for output in record["outputs"]] == ["image/png"] * 2
    assert record["seed"] == callback["seed"]
    assert wait_for(lambda: world.messages_left() == 0)


@pytest.mark.thorough
def test_a_callback_has_the_links_and_the_webhook_that_the_sender_asked_for(world: World):
    runtime = world.runtime("--service-time", "0.05")
    world.agent(runtime.url)
    url = "https://example.com/hook"

    world.send(["asked"], links=True, webhook=url, sender="web-shop")
    world.send(["refused"], {"sampler_name": "Nonsense"}, links=True, webhook=url)
    world.send(["plain"])
    callbacks = world.callbacks_for(["asked", "refused", "plain"])

    [link] = callbacks["asked"]["images"]
    with urllib.request.urlopen(link, timeout=10) as answer:
        assert answer.read()[:8] == png()[:8]
    assert "X-Amz-Signature" in link
    routing = {"webhook": url, "sender": "web-shop"}
    assert world.attributes["asked"] == {"runtime": "painter", "status": "completed", **routing}
    assert world.attributes["refused"].items() >= {"webhook": url, "sender": "default"}.items()
    assert not {"images", "webhook"} & {*callbacks["plain"], *callbacks["refused"]}
    assert world.attributes["plain"] == {"runtime": "painter", "status": "completed"}


@pytest.mark.thorough
def test_a_large_task_is_read_from_the_bucket_and_one_without_its_content_fails(world: World):
    content = {"prompt": "x", "steps": 2, "styles": ["s" * 400_000]}
    digest = hashlib.sha256(canonical_json(content).encode()).hexdigest()
    runtime = world.runtime("--service-time", "0.05")
    world.s3.put_object(Bucket=world.bucket, Key=content_key("large"), Body=json.dumps(content).encode())
    for task_id in ("large", "lost"):
        metadata = {"id": task_id, "runtime": "painter", "tasktype": "text-to-image"}
        world.send_body(json.dumps({"metadata": metadata, "contentSha256": digest}))
    world.agent(runtime.url)

    callbacks = world.callbacks_for(["large", "lost"])

    assert callbacks["large"]["status"] == "completed"
    assert world.object("large/result.json")["request_sha256"] == digest
    assert callbacks["lost"]["error"]["code"] == "malformed"
    world.send_body(world.last_sent.replace("lost", "large"))
    assert world.callbacks_for(["large"])["large"]["status"] == "completed"


@pytest.mark.thorough
def test_tasks_with_slow_inputs_do_not_hold_the_others(world: World, proxy: Proxy):
    runtime = world.runtime("--service-time", "0.1")
    # Twice as many as are received before the first run.
    slow, quick = [f"slow-{n}" for n in range(4)], [f"quick-{n}" for n in range(5)]
    for n in range(8):
        world.s3.put_object(Bucket=world.bucket, Key=f"input-{n}.png", Body=png())
    inputs = {"init_images": [f"s3://{world.bucket}/input-{n}.png" for n in range(8)]}
    with proxy.failing(Fault(calls_to("GetObject", "input-"), times=-1, delay=12)):
        world.send(slow, inputs, tasktype="image-to-image")
        world.send(quick)
        world.agent(runtime.url, INPUT_BUCKETS=world.bucket)
        world.callbacks_for([*slow, *quick])

    assert sorted(runtime.runs()[:5]) == quick


@pytest.mark.thorough
def test_a_task_that_the_runtime_rejects_fails_with_its_reason_and_is_not_repeated(world: World):
    runtime = world.runtime("--service-time", "0.1")
    world.agent(runtime.url)

    world.send(["bad"], {"sampler_name": "Nonsense"})
    callback = world.callbacks_for(["bad"])["bad"]

    assert callback["status"] == "failed" and callback["result"] is False
    assert "Sampler not found" in callback["error"]["message"]
    assert world.object("bad/result.json")["error"] == callback["error"]
    assert wait_for(lambda: world.messages_left() == 0)


@pytest.mark.thorough
def test_both_versions_of_messages_are_taken_raw_and_in_an_envelope(world: World):
    runtime = world.runtime("--service-time", "0.05")
    world.agent(runtime.url)
    scripts = {"task": "text-to-image", "id_task": "old", "save_dir": "dir"}
    old = {"prompt": "x", "alwayson_scripts": scripts}
    new = {
        "metadata": {"id": "new", "runtime": "painter", "tasktype": "text-to-image"},
        "content": {"prompt": "x"},
    }

    world.send_body(json.dumps(old))
    world.send_body(json.dumps({"Type": "Notification", "Message": json.dumps(new)}))

    assert {callback["status"] for callback in world.callbacks_for(["old", "new"]).values()} == {"completed"}
    assert {"dir/old/result.json", "new/result.json"} <= set(world.outputs())


@pytest.mark.thorough
def test_the_sender_may_be_notified_when_a_task_starts(world: World):
    runtime = world.runtime("--service-time", "0.3")
    world.agent(runtime.url, EXP_CALLBACK_WHEN_RUNNING="true")

    world.send(["cat"])
    callbacks = world.wait_for_callbacks(lambda callbacks: len(callbacks) == 2)

    assert sorted(callback["status"] for callback in callbacks) == ["completed", "running"]


@pytest.mark.thorough
def test_a_task_that_its_sender_cancelled_is_not_run(world: World):
    runtime = world.runtime("--service-time", "0.1")
    claim = {"owner": "api", "attempt": 0, "started": 1, "expires": 1, "state": "cancelled"}
    world.s3.put_object(Bucket=world.bucket, Key=".tasks/cat/claim.json", Body=json.dumps(claim))
    world.agent(runtime.url)

    world.send(["cat"])

    assert world.callbacks_for(["cat"])["cat"]["status"] == "cancelled"
    assert wait_for(lambda: world.messages_left() == 0)
    assert runtime.runs() == []


@pytest.mark.thorough
def test_a_task_that_waited_longer_than_its_sender_wants_is_not_run(world: World):
    runtime = world.runtime("--service-time", "0.1")
    # Its input is not asked for any more: it does not exist.
    absent = {"init_images": [f"s3://{world.bucket}/absent.png"]}
    world.send(["late"], absent, tasktype="image-to-image", ttlSeconds=0.5)
    world.send(["patient"], ttlSeconds=600)
    time.sleep(1)
    world.agent(runtime.url, INPUT_BUCKETS=world.bucket)

    callbacks = world.callbacks_for(["late", "patient"])

    assert callbacks["late"]["error"]["code"] == "expired"
    assert "0.5" in callbacks["late"]["error"]["message"]
    assert world.object("late/result.json")["status"] == "failed"
    assert callbacks["patient"]["status"] == "completed"
    assert runtime.runs() == ["patient"]
    assert wait_for(lambda: world.messages_left() == 0)


@pytest.mark.thorough
def test_a_task_expires_while_another_runs(world: World):
    runtime = world.runtime("--service-time", "5")
    world.agent(runtime.url, CALLBACK_WHEN_RUNNING="true")
    world.send(["first"])
    assert world.callbacks_for(["first"])["first"]["status"] == "running"
    world.send(["second"], ttlSeconds=3)  # received now, since it may come next, and prepared

    assert world.callbacks_for(["second"])["second"]["error"]["code"] == "expired"
    assert "second" not in runtime.runs()


@pytest.mark.thorough
def test_tasks_for_one_checkpoint_are_run_together(world: World):
    models = ["a.safetensors", "b.safetensors"]
    runtime = world.runtime(
        "--dynamic",
        "--service-time",
        "0.05",
        "--load-time",
        "0.3",
        "--model",
        models[0],
        "--model",
        models[1],
    )
    ids = [f"t{n}" for n in range(12)]
    for n, task_id in enumerate(ids):
        world.send([task_id], {"override_settings": {"sd_model_checkpoint": models[n % 2]}})

    world.agent(runtime.url, DYNAMIC_SD_MODEL="true", MODEL_FILENAME="")
    world.callbacks_for(ids)

    assert sum(run["loaded"] for run in runtime.report()["runs"]) <= 4


@pytest.mark.thorough
def test_its_endpoints_tell_kubelet_and_prometheus_how_it_is(world: World):
    runtime = world.runtime("--service-time", "0.1", "--start-delay", "0")
    agent = world.agent(runtime.url)
    base = f"http://127.0.0.1:{port_of(agent)}"

    wait_for(lambda: status(f"{base}/readyz") == 200)
    world.send(["cat"])
    world.callbacks_for(["cat"])

    assert status(f"{base}/healthz") == 200
    metrics = wait_for(
        lambda: text if 'status="completed"} 1.0' in (text := fetched(f"{base}/metrics")) else None
    )
    assert "queue_agent_runtime_ready 1.0" in metrics
    assert "queue_agent_run_seconds_count 1.0" in metrics


@pytest.mark.thorough
def test_prometheus_reads_how_long_each_part_took_and_what_was_repeated(world: World, proxy: Proxy):
    runtime = world.runtime("--service-time", "0.1")
    with proxy.failing(Fault(calls_to("PutObject", "cat/result.json"), answer="503 SlowDown")):
        world.send(["cat", "dog"])
        agent = world.agent(runtime.url)
        world.callbacks_for(["cat", "dog"])
    wait_for(lambda: world.messages_left() == 0)

    metrics = fetched(f"http://127.0.0.1:{port_of(agent)}/metrics")
    values = dict(line.rsplit(" ", 1) for line in metrics.splitlines() if not line.startswith("#"))
    counts = {
        name: values[f"queue_agent_{name}_seconds_count"]
        for name in ("queue_wait", "run", "upload", "gpu_idle_gap")
    }
    assert counts == {"queue_wait": "2.0", "run": "2.0", "upload": "2.0", "gpu_idle_gap": "1.0"}
    repeated = 'queue_agent_aws_retries_total{call="PutObject",code="SlowDown"}'
    assert values[repeated] == "1.0"


def test_its_log_names_the_tasks_and_holds_no_payload_and_no_secret(world: World):
    runtime = world.runtime("--service-time", "0.1")
    agent = world.agent(runtime.url, LOG_LEVEL="DEBUG", AWS_SECRET_ACCESS_KEY="a-secret-access-key")

    world.send(["done"], {"prompt": "a-secret-wish"})
    world.send(["rejected"], {"prompt": "a-secret-wish", "sampler_name": "a-secret-sampler"})
    world.send(["refused"], {"init_images": ["https://127.0.0.1/a-secret-path?key=a-secret-key"]})
    world.send_body("a-secret-body")

    def ended() -> set[object]:
        return {line.get("task") for line in log_records(agent) if line["event"] == "task ended"}

    assert wait_for(lambda: world.messages_left() == 0 and ended() == {"done", "rejected", "refused"})
    assert "a-secret" not in agent.log.read_text()


@pytest.mark.thorough
def test_faults_of_the_environment_are_all_named_and_end_it_with_status_2(world: World):
    agent = world.agent("http://127.0.0.1:1", S3_BUCKET="", MAX_ATTEMPTS="many")

    assert agent.process.wait(10) == 2
    log = agent.log.read_text()
    assert "S3_BUCKET: is not set" in log and "MAX_ATTEMPTS: 'many'" in log


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        return refusal.code


def fetched(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return str(answer.read().decode())
