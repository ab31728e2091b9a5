"""ComfyUI: https://github.com/comfyanonymous/ComfyUI (server.py, execution.py).

A submission is answered at once; success or failure stands only in `/history/{id}`. Queue and history are in
memory: a prompt that is in neither is lost. The task's id is the prompt's id, so an agent that was restarted
finds the work it had submitted.
"""

import asyncio
import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aiohttp import FormData

from queue_agent.adapters import sniff
from queue_agent.adapters.http import Answer, Http, out_of_memory
from queue_agent.runtime import (
    Cancelled,
    InputImage,
    Output,
    Path,
    Prepared,
    Progress,
    Ran,
    RunResult,
    RuntimeUnavailable,
    Task,
    TaskError,
)

TASKTYPES = ("pipeline", "workflow")
# Polling on loopback costs milliseconds and, unlike the websocket, cannot miss the end.
SHORTEST_POLL_SECONDS, LONGEST_POLL_SECONDS = 0.01, 0.5
POLL_SHARE = 0.03
# An exception of these is the machine's fault; any other would come again with the same workflow.
WORLD_ERRORS = ("cuda error", "cudnn", "no space left", "input/output error", "nccl", "hip error")
TEXT_KEYS = ("text", "string")


class ComfyUi:
    """One ComfyUI."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def model(self, task: Task) -> str | None:
        """The first checkpoint that the workflow loads."""
        graph = _graph(task.content)
        return next((name for name in _inputs(graph, "ckpt_name") if isinstance(name, str)), None)

    def image_fields(self, task: Task) -> Sequence[Path]:
        """`inputs.image` of every node that loads an image."""
        content = task.content
        head: Path = ("prompt",) if "prompt" in content and "class_type" not in content else ()
        return [
            (*head, node_id, "inputs", "image")
            for node_id, node in _graph(content).items()
            if _class(node).startswith("LoadImage") and isinstance(node.get("inputs", {}).get("image"), str)
        ]

    async def ready(self) -> bool:
        """It answers only once its nodes are loaded, and can queue from then on."""
        answer = await self._http.probe("/prompt")
        return answer is not None and answer.ok and b"queue_remaining" in answer.body

    async def warm_up(self) -> None:
        """Nothing to prove: the workflow chooses the model."""

    async def prepare(self, task: Task, images: Mapping[Path, InputImage]) -> Prepared:
        """Check the workflow's shape, send its images ahead, give its files a name of the task's own."""
        if task.tasktype not in TASKTYPES:
            raise TaskError("unknown_tasktype", f"{task.tasktype!r} is none of {', '.join(TASKTYPES)}")
        graph: dict[str, Any] = copy.deepcopy(dict(_graph(task.content)))
        if not graph or not all(isinstance(node, Mapping) and _class(node) for node in graph.values()):
            raise TaskError(
                "bad_workflow", "content is no workflow in API format: node id → class_type, inputs"
            )
        for n, (path, image) in enumerate(images.items()):
            graph[str(path[-3])]["inputs"]["image"] = await self._upload(
                f"{task.id}-{n}.{image.extension}", image
            )
        for node in graph.values():
            prefix = node.get("inputs", {}).get("filename_prefix")
            # Without this the same workflow twice would be answered with the files of the first time.
            if isinstance(prefix, str):
                node["inputs"]["filename_prefix"] = f"{task.id}/{prefix.replace('..', '')}"
        extra = task.content.get("extra_data")
        body = {"prompt": graph, "prompt_id": task.id, "client_id": "queue-agent", "extra_data": extra or {}}
        return Prepared(task, body)

    async def _upload(self, name: str, image: InputImage) -> str:
        form = FormData()
        form.add_field("image", image.data, filename=name, content_type=image.content_type)
        form.add_field("overwrite", "true")
        answer = await self._http.call("POST", "/upload/image", form=form)
        if not answer.ok:
            raise RuntimeUnavailable("upload_failed", answer.reason())
        return str(answer.json()["name"])

    async def run(self, prepared: Prepared, on_progress: Progress) -> Ran:
        """Submit unless it is there already, then follow the history until it has the end."""
        task = prepared.task
        entry = await self._history(task.id)
        if entry is None and not await self._queued(task.id):
            await self._submit(prepared.payload)
        began = asyncio.get_running_loop().time()
        while entry is None:
            waited = asyncio.get_running_loop().time() - began
            await asyncio.sleep(min(max(SHORTEST_POLL_SECONDS, waited * POLL_SHARE), LONGEST_POLL_SECONDS))
            # Asked for in this order: what leaves the queue in between is in the history by then.
            queued = waited < LONGEST_POLL_SECONDS or await self._queued(task.id)
            entry = await self._history(task.id)
            if entry is None and not queued:
                raise RuntimeUnavailable("lost", "the runtime has neither result nor task: it was restarted")
        on_progress(1.0)
        failure = _failure(entry)
        if failure is not None:
            await self._forget(task.id)
            raise failure
        return Ran(task, (prepared.payload["prompt"], entry))

    async def _submit(self, body: Mapping[str, Any]) -> None:
        answer = await self._http.call("POST", "/prompt", payload=body)
        if answer.status in {400, 413}:
            raise TaskError("bad_workflow", _node_errors(answer))
        if not answer.ok:
            raise RuntimeUnavailable("runtime_error", f"{answer.status}: {answer.reason()}")
        if answer.json().get("node_errors"):
            # The rest of the workflow was queued, without the outputs that are wrong.
            await self._stop(str(body["prompt_id"]))
            raise TaskError("bad_workflow", _node_errors(answer))

    async def collect(self, ran: Ran) -> RunResult:
        """Fetch every file and text; what ComfyUI only previews counts when there is nothing else."""
        graph, entry = ran.payload
        found = list(_files(entry.get("outputs") or {}))
        kept = [each for each in found if each[1].get("type") != "temp"] or found
        outputs = [await self._fetch(node, file) for node, file in kept] + list(
            _texts(entry.get("outputs") or {})
        )
        if not outputs:
            raise TaskError("no_output", "the workflow ended well and made no output")
        await self._forget(ran.task.id)
        model = next((str(name) for name in _inputs(graph, "ckpt_name")), None)
        return RunResult(outputs, _seed(graph), model, {"prompt": graph})

    async def _fetch(self, node: str, file: Mapping[str, Any]) -> Output:
        params = {key: str(file.get(key, "")) for key in ("filename", "subfolder", "type")}
        answer = await self._http.call("GET", "/view", params=params)
        if not answer.ok:
            raise RuntimeUnavailable(
                "broken_output", f"/view answers {answer.status} for {params['filename']}"
            )
        return sniff.output(answer.body, {"node": node}, params["filename"])

    async def cancel(self, task: Task) -> None:
        """Out of the queue first: an interrupt that comes before the start is lost."""
        await self._stop(task.id)

    async def _stop(self, prompt_id: str) -> None:
        await self._http.call("POST", "/queue", payload={"delete": [prompt_id]})
        await self._http.call("POST", "/interrupt", payload={"prompt_id": prompt_id})

    async def idle(self) -> bool:
        """Whether nothing runs and nothing waits."""
        answer = await self._http.call("GET", "/prompt", seconds=5)
        return bool(answer.ok and answer.json()["exec_info"]["queue_remaining"] == 0)

    async def aclose(self) -> None:
        """Nothing is held."""

    async def _history(self, prompt_id: str) -> Mapping[str, Any] | None:
        answer = await self._http.call("GET", f"/history/{prompt_id}")
        found = answer.json().get(prompt_id) if answer.ok else None
        return found if isinstance(found, Mapping) else None

    async def _queued(self, prompt_id: str) -> bool:
        said = (await self._http.call("GET", "/queue")).json()
        return any(
            row[1] == prompt_id for key in ("queue_running", "queue_pending") for row in said.get(key) or ()
        )

    async def _forget(self, prompt_id: str) -> None:
        """Out of the history, which would hold the whole workflow until ten thousand others came."""
        await self._http.call("POST", "/history", payload={"delete": [prompt_id]})


def _graph(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """The workflow: the content itself, or its `prompt` as ComfyUI's own API has it."""
    inner = content.get("prompt")
    return inner if isinstance(inner, Mapping) and "class_type" not in content else content


def _class(node: Any) -> str:
    return str(node.get("class_type") or "") if isinstance(node, Mapping) else ""


def _inputs(graph: Mapping[str, Any], name: str) -> Iterator[Any]:
    for node in graph.values():
        inputs = node.get("inputs") if isinstance(node, Mapping) else None
        if isinstance(inputs, Mapping) and name in inputs:
            yield inputs[name]


def _seed(graph: Mapping[str, Any]) -> int | None:
    seeds = (seed for name in ("seed", "noise_seed") for seed in _inputs(graph, name))
    return next((seed for seed in seeds if isinstance(seed, int)), None)


def _failure(entry: Mapping[str, Any]) -> Exception | None:
    """Why a finished prompt is no success; None when it is one."""
    status = entry.get("status") or {}
    said: dict[str, Any] = dict(status.get("messages") or ())
    if "execution_interrupted" in said:
        return Cancelled()
    if status.get("status_str") == "success" and "execution_error" not in said:
        return None
    error = said.get("execution_error", {})
    kind, message = str(error.get("exception_type", "")), str(error.get("exception_message", "unknown"))
    reason = f"{error.get('node_type', 'node')}: {kind}: {message.strip()}"[:2000]
    if out_of_memory(kind) or out_of_memory(message):
        return RuntimeUnavailable("out_of_memory", reason)
    if not error or any(mark in message.lower() for mark in WORLD_ERRORS):
        return RuntimeUnavailable("execution_error", reason)
    return TaskError("execution_error", reason)


def _node_errors(answer: Answer) -> str:
    """ComfyUI's reasons node by node: `error.details` alone is often empty."""
    said = answer.json()
    error = said.get("error")
    parts = (
        [" ".join(str(error.get(key, "")) for key in ("message", "details")).strip()]
        if isinstance(error, Mapping)
        else []
    )
    nodes = said.get("node_errors")
    for node_id, node in nodes.items() if isinstance(nodes, Mapping) else ():
        reasons = [f"{each.get('message')}: {each.get('details')}" for each in node.get("errors", ())]
        parts.append(
            f"node {node_id} ({node.get('class_type')}): {'; '.join(reasons) or 'its output is dropped'}"
        )
    return " | ".join(part for part in parts if part)[:2000] or json.dumps(said)[:2000]


def _files(outputs: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every file of every node, under whatever key its kind of node has: images, gifs, videos, audio, 3d."""
    for node, made in outputs.items():
        for items in made.values() if isinstance(made, Mapping) else ():
            for item in items if isinstance(items, list) else ():
                if isinstance(item, Mapping) and "filename" in item:
                    yield node, item


def _texts(outputs: Mapping[str, Any]) -> Iterator[Output]:
    for node, made in outputs.items():
        for key in TEXT_KEYS:
            texts = made.get(key) if isinstance(made, Mapping) else None
            for text in texts if isinstance(texts, list) else ():
                if isinstance(text, str) and text:
                    yield Output(text.encode(), "text/plain", "text", "txt", {"node": node})
