"""A SIMULATION of SD WebUI's HTTP API (A1111 1.10, `/sdapi/v1`): its responses and pitfalls, without a GPU.

As on the real server: it answers before its model is loaded; the response to a request comes when its picture
is ready; waiting requests are not listed anywhere; an interrupt of the running job gives status 200 and an
unfinished picture; an unknown checkpoint in `override_settings` is ignored without an error, and an unknown
sampler is another one; a client that disconnects does not stop its job.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web
from PIL import Image

from local.runtimes.sdwebui import extras
from local.runtimes.sdwebui import request as requests
from local.runtimes.sdwebui.extras import Enlargement
from local.runtimes.sdwebui.fields import ApiError, FieldError, problem
from local.runtimes.sdwebui.lists import routes as lists
from local.runtimes.sdwebui.models import Checkpoints, stem
from local.runtimes.sdwebui.options import Options
from local.runtimes.sdwebui.request import Generation
from local.runtimes.shared import serve
from local.runtimes.shared.gpu import Job, NodeFailedError, OutOfMemoryError
from local.runtimes.shared.picture import Request, as_json, as_text, scaled
from local.runtimes.shared.serve import Simulation

API = "/sdapi/v1"
DEFAULT_MODEL = "sd_xl_turbo_1.0.safetensors"
Handler = Callable[[Mapping[str, Any]], Awaitable[Any]]


class SdWebUi:
    """The routes and their shared state."""

    def __init__(self, simulation: Simulation, *, hashing: bool) -> None:
        self.sim = simulation
        self.models = Checkpoints(simulation.models, hashing=hashing)
        self.interrupted = False
        self.options = Options()
        self.turn = asyncio.Lock()  # of requests for pictures: one at a time has its options
        self.unfinished = False  # a failed extras request: its job counts until another one ends

    def routes(self) -> list[web.RouteDef]:
        """The routes that the queue agent and public clients call."""
        return [
            web.get(f"{API}/progress", self._progress),
            web.get(f"{API}/sd-models", self._models),
            web.post(f"{API}/refresh-checkpoints", self._refresh),
            web.get(f"{API}/options", self._get_options),
            web.post(f"{API}/options", json_route(self._set_options)),
            web.post(f"{API}/interrupt", self._interrupt),
            web.post(f"{API}/txt2img", json_route(self._txt2img)),
            web.post(f"{API}/img2img", json_route(self._img2img)),
            web.post(f"{API}/extra-single-image", json_route(self._extra_single)),
            web.post(f"{API}/extra-batch-images", json_route(self._extra_batch)),
            web.post(f"{API}/png-info", json_route(self._png_info)),
            web.post(f"{API}/interrogate", json_route(self._interrogate)),
            *lists(API),
        ]

    async def load_first(self) -> None:
        """Load the first model; as on the real server, it answers requests before that is done."""
        self.options.values["sd_model_checkpoint"] = self.models.title(self.sim.models[0])
        async with self.sim.gpu.lock:
            await self._load(self.sim.models[0])

    async def _load(self, file: str) -> None:
        await self.sim.gpu.load(file)
        self.models.loaded(file)

    async def _progress(self, _: web.Request) -> web.Response:
        job = self.sim.gpu.current
        done = job.progress if job else 0.0
        state = {
            "skipped": False,
            "interrupted": self.interrupted,
            "stopping_generation": False,
            "job": "scripts_txt2img" if job else ("extras" if self.unfinished else ""),
            "job_count": 1 if job or self.unfinished else 0,
            "job_timestamp": "20260101000000",
            "job_no": 0,
            "sampling_step": job.step if job else 0,
            "sampling_steps": job.steps if job else 0,
        }
        eta = job.seconds * (1 - done) if job else 0.0
        response = {
            "progress": done,
            "eta_relative": eta,
            "state": state,
            "current_image": None,
            "textinfo": None,
        }
        return web.json_response(response)

    async def _models(self, _: web.Request) -> web.Response:
        return web.json_response(self.models.listed())

    async def _refresh(self, _: web.Request) -> web.Response:
        self.models.refresh()
        return web.json_response(None)

    async def _get_options(self, _: web.Request) -> web.Response:
        return web.json_response(self.options.values)

    async def _set_options(self, body: Mapping[str, Any]) -> None:
        options = dict(body)
        if (name := options.get("sd_model_checkpoint")) is not None:
            file = self.models.find(str(name))
            if file is None:
                raise ApiError(500, "RuntimeError", errors=f"model {name!r} not found")
            async with self.sim.gpu.lock:
                await self._load(file)
            options["sd_model_checkpoint"] = self.models.title(file)
        self.options.set(options)

    async def _interrupt(self, _: web.Request) -> web.Response:
        # As on the real server, it has no effect on a request that waits for the lock.
        if (job := self.sim.gpu.current) is not None:
            job.interrupted.set()
            self.interrupted = True
        return web.json_response({})

    async def _txt2img(self, body: Mapping[str, Any]) -> dict[str, Any]:
        return await self._generate(requests.parse(body, from_image=False))

    async def _img2img(self, body: Mapping[str, Any]) -> dict[str, Any]:
        return await self._generate(requests.parse(body, from_image=True))

    async def _generate(self, generation: Generation) -> dict[str, Any]:
        body = generation.body
        if self.sim.faults.take("refuse", body["prompt"]):
            raise ApiError(500, "RuntimeError", errors="a simulated refusal")
        refiner = body["refiner_checkpoint"]
        if refiner not in (None, "", "None", "none") and self.models.find(refiner) is None:
            raise ApiError(500, "Exception", errors=f"Could not find checkpoint with name {refiner}")
        job = Job(
            id=str(body["force_task_id"] or "task"),
            steps=body["steps"],
            images=generation.count,
            prompt=body["prompt"],
        )
        if self.sim.faults.take("disconnect", f"{job.id} {job.prompt}"):
            self.sim.spawn(self._run(job))
            await asyncio.sleep(self.sim.gpu.service_time / 2)
            raise ConnectionAbortedError
        restore = bool(body["override_settings_restore_afterwards"])
        async with self.turn:
            with self.options.overridden(self._known_settings(body), restore=restore):
                job.model = self._model(job)
                progress = await self._run(job)
                options = dict(self.options.values)
        model = stem((self.sim.gpu.loaded or DEFAULT_MODEL).rpartition("/")[2])
        info = requests.info(generation, model, options)
        images = []
        if body["send_images"] and not self.sim.faults.take("no-output", job.prompt):
            images = await asyncio.to_thread(self._draw, generation, info, progress)
        if body["script_name"]:
            images = images[:1]
        if self.sim.faults.take("partial", job.prompt):  # an interrupt between two pictures
            images, info["infotexts"] = images[:-1], info["infotexts"][:-1]
        if images and requests.makes_animation(body["alwayson_scripts"]):
            images = [await asyncio.to_thread(animated, images)]
        return {
            "images": images,
            "parameters": {**body, **({"init_images": None, "mask": None} if generation.source else {})},
            "info": json.dumps(info),
        }

    async def _run(self, job: Job) -> float:
        """Run a job, even if its client disconnects; its progress at the end, 1 unless interrupted."""

        async def work() -> float:
            self.interrupted = False
            done = await self.sim.gpu.run(job)
            self.unfinished = False
            if job.model is not None:
                self.models.loaded(job.model)
            return 1.0 if done else job.progress

        return float(await asyncio.shield(self.sim.spawn(work())))

    def _draw(self, generation: Generation, info: Mapping[str, Any], progress: float) -> list[str]:
        if self.sim.faults.take("broken-output", info["prompt"]):
            return ["not base64!"] * generation.count
        strength = float(generation.body["denoising_strength"] or 0.75)
        source = generation.source
        pictures = (
            Request(info["prompt"], seed, *generation.size, {"parameters": text}, source, strength, progress)
            for seed, text in zip(info["all_seeds"], info["infotexts"], strict=False)
        )
        return [as_text(self.sim.artist.draw(picture)) for picture in pictures]

    async def _extra_single(self, body: Mapping[str, Any]) -> dict[str, Any]:
        images = await self._enlarge(extras.single(body))
        return {"html_info": "<p>simulated</p>", "image": images[0]}

    async def _extra_batch(self, body: Mapping[str, Any]) -> dict[str, Any]:
        images = await self._enlarge(extras.several(body))
        if self.sim.faults.take("partial", "extra"):
            images = images[:-1]
        return {"html_info": "<p>simulated</p>", "images": images}

    async def _enlarge(self, asked: Enlargement) -> list[str]:
        # As in A1111's scripts: a failed request leaves its job counted, for there is no `finally`.
        self.unfinished = True
        sizes = [asked.size(_opened(source).size) for source in asked.sources]
        await self._run(Job(id="extra", images=max(1, len(sizes)), steps=1))

        def enlarge() -> list[str]:
            pairs = zip(asked.sources, sizes, strict=True)
            return [base64.b64encode(scaled(source, *size)).decode() for source, size in pairs]

        return await asyncio.to_thread(enlarge)

    async def _png_info(self, body: Mapping[str, Any]) -> dict[str, Any]:
        texts = _opened(requests.asked_picture(body)).info
        items = {key: value for key, value in texts.items() if key == "parameters"}
        return {"info": items.get("parameters", ""), "items": items, "parameters": {}}

    async def _interrogate(self, body: Mapping[str, Any]) -> dict[str, Any]:
        requests.asked_picture({"image": "", **body})
        if body.get("model", "clip") not in ("clip", "deepdanbooru"):
            raise ApiError(404, "HTTPException", "Model not found")
        return {"caption": "a simulated picture"}

    def _known_settings(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The options of a request, without a checkpoint that is not known."""
        settings = dict(body["override_settings"] or {})
        if self.models.find(str(settings.get("sd_model_checkpoint"))) is None:
            settings.pop("sd_model_checkpoint", None)
        return settings

    def _model(self, job: Job) -> str | None:
        """The checkpoint that the options name; without one, the loaded or the first."""
        chosen = self.models.find(str(self.options.values["sd_model_checkpoint"]))
        current = self.sim.gpu.loaded or (self.sim.models[0] if self.sim.models else None)
        return current if chosen is None or self.sim.faults.take("wrong-model", job.prompt) else chosen


def json_route(act: Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A handler that takes and returns JSON, with A1111's error responses."""

    async def handle(request: web.Request) -> web.Response:
        try:
            body = await request.json()
            if not isinstance(body, Mapping):
                raise FieldError([problem("type_error.dict", "value is not a valid dict")])
            return web.Response(body=as_json(await act(body)), content_type="application/json")
        except json.JSONDecodeError as error:
            return _error_response(FieldError([problem("value_error.jsondecode", str(error), error.pos)]))
        except (OutOfMemoryError, NodeFailedError) as error:
            kind = "OutOfMemoryError" if isinstance(error, OutOfMemoryError) else "RuntimeError"
            return _error_response(ApiError(500, kind, errors=str(error)))
        except ApiError as error:
            return _error_response(error)
        except ConnectionAbortedError:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()

    return handle


def _error_response(error: ApiError) -> web.Response:
    response = web.json_response(error.body, status=error.status)
    if error.status == 500:
        response.force_close()
    return response


def animated(images: list[str]) -> str:
    """One GIF of these pictures, as the AnimateDiff extension puts in their place."""
    first, *more = [_opened(base64.b64decode(image)).convert("RGB") for image in images]
    out = io.BytesIO()
    first.save(out, "GIF", save_all=True, append_images=more)
    return base64.b64encode(out.getvalue()).decode()


def _opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


async def run() -> None:
    """Serve until the process ends."""
    parser = serve.parser("sdwebui")
    parser.add_argument("--dynamic", action="store_true", help="start without a model")
    parser.add_argument("--hashing", action="store_true", help="show the hash of a loaded model in its title")
    options = parser.parse_args()
    options.model = options.model or [DEFAULT_MODEL]
    simulation = serve.build("sdwebui", options)
    server = SdWebUi(simulation, hashing=options.hashing)
    loading = () if options.dynamic else (server.load_first(),)
    await serve.serve(simulation, serve.application(simulation, server.routes()), *loading)
