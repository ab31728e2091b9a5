"""A SIMULATION of SD WebUI's HTTP API (A1111 1.10, `/sdapi/v1`): its answers and its traps, without a GPU.

Kept as on the real one: a request is answered when its picture is done; waiting requests are seen by
nobody; an interrupt of the running job is answered 200 with a half-made picture; an unknown checkpoint in
`override_settings` is dropped in silence; a client that goes away stops nothing.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import random
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from local.runtimes import serve
from local.runtimes.gpu import Job, NodeFailedError, OutOfMemoryError
from local.runtimes.picture import Request, scaled
from local.runtimes.serve import Simulation

DEFAULT_MODEL = "sd_xl_turbo_1.0.safetensors"
SAMPLERS = ("Euler", "Euler a", "DPM++ 2M", "DPM++ 2M Karras", "DDIM", "LCM", "UniPC")
MAX_SEED = 2**32


class Refused(Exception):  # noqa: N818 (an answer, not a fault of ours)
    """An error as A1111 words it."""

    def __init__(self, status: int, kind: str, detail: str = "", errors: str = "") -> None:
        super().__init__(detail or errors)
        self.status = status
        self.body = {"error": kind, "detail": detail, "body": "", "errors": errors}


class SdWebUi:
    """The routes, and what they share."""

    def __init__(self, simulation: Simulation) -> None:
        self.sim = simulation
        self.interrupted = False
        self.options: dict[str, Any] = {
            "sd_model_checkpoint": simulation.gpu.loaded,
            "CLIP_stop_at_last_layers": 1,
        }

    def routes(self) -> list[web.RouteDef]:
        """Everything the queue agent and the public clients call."""
        api = "/sdapi/v1"
        return [
            web.get(f"{api}/progress", self._progress),
            web.get(f"{api}/memory", _memory),
            web.get(f"{api}/sd-models", self._models),
            web.get(f"{api}/options", self._get_options),
            web.post(f"{api}/options", self._set_options),
            web.get(f"{api}/samplers", _samplers),
            web.get(f"{api}/upscalers", _upscalers),
            web.get(f"{api}/cmd-flags", _flags),
            web.post(f"{api}/refresh-checkpoints", _nothing),
            web.post(f"{api}/interrupt", self._interrupt),
            web.post(f"{api}/txt2img", self._txt2img),
            web.post(f"{api}/img2img", self._img2img),
            web.post(f"{api}/extra-single-image", self._extra_single),
            web.post(f"{api}/extra-batch-images", self._extra_batch),
            web.post(f"{api}/png-info", self._png_info),
        ]

    async def _progress(self, _: web.Request) -> web.Response:
        job = self.sim.gpu.current
        state = {
            "skipped": False,
            "interrupted": self.interrupted,
            "stopping_generation": False,
            "job": job.id if job else "",
            "job_count": 1 if job else 0,
            "job_timestamp": "20260101000000",
            "job_no": 0,
            "sampling_step": job.step if job else 0,
            "sampling_steps": job.steps if job else 0,
        }
        done = job.progress if job else 0.0
        left = job.seconds * (1 - done) if job else 0.0
        answer = {
            "progress": done,
            "eta_relative": left,
            "state": state,
            "current_image": None,
            "textinfo": None,
        }
        return web.json_response(answer)

    async def _models(self, _: web.Request) -> web.Response:
        return web.json_response(
            [
                {
                    "title": name,
                    "model_name": name.rsplit(".", 1)[0],
                    "hash": None,
                    "sha256": None,
                    "filename": f"/opt/ml/code/models/Stable-diffusion/{name}",
                    "config": None,
                }
                for name in self.sim.models
            ]
        )

    async def _get_options(self, _: web.Request) -> web.Response:
        return web.json_response(self.options)

    async def _set_options(self, request: web.Request) -> web.Response:
        wanted = await request.json()
        name = wanted.get("sd_model_checkpoint")
        if name is not None:
            if (found := self._find(name)) is None:
                return _refusal(Refused(500, "RuntimeError", errors=f"model '{name}' not found"))
            async with self.sim.gpu.lock:
                await self.sim.gpu.load(found)
            wanted["sd_model_checkpoint"] = found
        self.options.update(wanted)
        return web.json_response(None)

    async def _interrupt(self, _: web.Request) -> web.Response:
        if (job := self.sim.gpu.current) is not None:
            job.interrupted.set()
            self.interrupted = True
        return web.json_response({})

    async def _txt2img(self, request: web.Request) -> web.Response:
        return await self._generate(request, needs=())

    async def _img2img(self, request: web.Request) -> web.Response:
        return await self._generate(request, needs=("init_images",))

    async def _extra_single(self, request: web.Request) -> web.Response:
        body = await request.json()
        images = await self._upscale(body, [body.get("image", "")])
        return (
            images
            if isinstance(images, web.Response)
            else web.json_response({"html_info": "", "image": images[0]})
        )

    async def _extra_batch(self, request: web.Request) -> web.Response:
        body = await request.json()
        images = await self._upscale(body, [item.get("data", "") for item in body.get("imageList", [])])
        return (
            images
            if isinstance(images, web.Response)
            else web.json_response({"html_info": "", "images": images})
        )

    async def _png_info(self, request: web.Request) -> web.Response:
        _decoded((await request.json()).get("image", ""))
        return web.json_response(
            {"info": "simulated", "items": {"parameters": "simulated"}, "parameters": {}}
        )

    async def _generate(self, request: web.Request, needs: tuple[str, ...]) -> web.Response:
        try:
            body = await request.json()
            if missing := [key for key in needs if not body.get(key)]:
                raise Refused(404, "HTTPException", "Init image not found", str(missing))
            if (sampler := body.get("sampler_name") or "Euler") not in SAMPLERS:
                raise Refused(400, "HTTPException", "Sampler not found", sampler)
            source = _decoded(body["init_images"][0]) if needs else None
        except Refused as refusal:
            return _refusal(refusal)
        except ValueError as error:
            return web.json_response(
                {"detail": [{"type": "json_invalid", "loc": ["body"], "msg": str(error)}]}, status=422
            )
        if self.sim.faults.take("refuse", str(body.get("prompt"))):
            return _refusal(Refused(500, "RuntimeError", errors="a simulated refusal"))
        return await self._run(body, source)

    async def _run(self, body: Mapping[str, Any], source: bytes | None) -> web.Response:
        count = int(body.get("batch_size", 1)) * int(body.get("n_iter", 1))
        job = Job(
            id=str(body.get("force_task_id") or "task"),
            model=self._model(body),
            steps=int(body.get("steps", 50)),
            images=count,
            prompt=str(body.get("prompt", "")),
        )
        try:
            # A client that goes away stops nothing.
            done = await asyncio.shield(self.sim.spawn(self._work(job)))
        except OutOfMemoryError as error:
            return _refusal(Refused(500, "OutOfMemoryError", errors=str(error)))
        except NodeFailedError as error:
            return _refusal(Refused(500, "RuntimeError", errors=str(error)))
        return web.json_response(self._answer(body, job, source, count, done))

    async def _work(self, job: Job) -> bool:
        self.interrupted = False
        return await self.sim.gpu.run(job)

    def _answer(
        self, body: Mapping[str, Any], job: Job, source: bytes | None, count: int, done: bool
    ) -> dict[str, Any]:
        first = int(body.get("seed", -1))
        first = random.randrange(MAX_SEED) if first < 0 else first  # noqa: S311 (a seed, no secret)
        seeds = [first + n for n in range(count)]
        size = (int(body.get("width", 512)), int(body.get("height", 512)))
        texts = [
            f"{job.prompt}\nSteps: {job.steps}, Seed: {seed}, Size: {size[0]}x{size[1]}" for seed in seeds
        ]
        images = [
            self._picture(
                Request(job.prompt, seed, *size, {"parameters": text}, source, progress=1.0 if done else 0.4)
            )
            for seed, text in zip(seeds, texts, strict=True)
        ]
        if self.sim.faults.take("no-output", job.prompt):
            images = []
        name = self.sim.gpu.loaded or DEFAULT_MODEL
        info = {
            "prompt": job.prompt,
            "all_prompts": [job.prompt] * count,
            "negative_prompt": body.get("negative_prompt", ""),
            "seed": first,
            "all_seeds": seeds,
            "subseed": first,
            "all_subseeds": seeds,
            "width": size[0],
            "height": size[1],
            "sampler_name": body.get("sampler_name") or "Euler",
            "cfg_scale": body.get("cfg_scale", 7.0),
            "steps": job.steps,
            "batch_size": body.get("batch_size", 1),
            "sd_model_name": name.rsplit(".", 1)[0],
            "sd_model_hash": None,
            "sd_vae_name": None,
            "infotexts": texts,
            "index_of_first_image": 0,
            "job_timestamp": "20260101000000",
            "version": "simulated",
        }
        parameters = {**body, "init_images": None, "mask": None}
        return {"images": images, "parameters": parameters, "info": json.dumps(info)}

    def _picture(self, request: Request) -> str:
        if self.sim.faults.take("broken-output", request.prompt):
            return "not base64!"
        return base64.b64encode(self.sim.artist.draw(request)).decode()

    async def _upscale(self, body: Mapping[str, Any], pictures: list[str]) -> web.Response | list[str]:
        try:
            sources = [_decoded(picture) for picture in pictures]
        except Refused as refusal:
            return _refusal(refusal)
        try:
            await asyncio.shield(
                self.sim.spawn(self._work(Job(id="extra", images=max(1, len(sources)), steps=1)))
            )
        except (OutOfMemoryError, NodeFailedError) as error:
            return _refusal(Refused(500, type(error).__name__, errors=str(error)))
        factor = float(body.get("upscaling_resize", 2))
        return [base64.b64encode(_enlarged(source, factor)).decode() for source in sources]

    def _model(self, body: Mapping[str, Any]) -> str | None:
        wanted = (body.get("override_settings") or {}).get("sd_model_checkpoint")
        if wanted is None:
            return self.sim.gpu.loaded or (self.sim.models[0] if self.sim.models else None)
        if self.sim.faults.take("wrong-model", str(body.get("prompt", ""))):
            return self.sim.gpu.loaded
        return self._find(wanted) or self.sim.gpu.loaded

    def _find(self, name: str) -> str | None:
        return next((model for model in self.sim.models if name in (model, model.rsplit(".", 1)[0])), None)


def _enlarged(source: bytes, factor: float) -> bytes:
    width, height = (int.from_bytes(source[at : at + 4], "big") for at in (16, 20))
    if not 0 < width <= 8192 or not 0 < height <= 8192:
        width = height = 256
    return scaled(source, max(1, int(width * factor)), max(1, int(height * factor)))


def _decoded(text: str) -> bytes:
    """The bytes of a picture, base64 with or without the data URI's head."""
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Refused(500, "HTTPException", "Invalid encoded image") from None
    if not data:
        raise Refused(500, "HTTPException", "Invalid encoded image")
    return data


def _refusal(refusal: Refused) -> web.Response:
    return web.json_response(refusal.body, status=refusal.status)


async def _memory(_: web.Request) -> web.Response:
    return web.json_response({"ram": {"free": 1, "used": 1, "total": 2}, "cuda": {"error": "simulated"}})


async def _samplers(_: web.Request) -> web.Response:
    return web.json_response([{"name": name, "aliases": [], "options": {}} for name in SAMPLERS])


async def _upscalers(_: web.Request) -> web.Response:
    return web.json_response(
        [{"name": name, "model_name": None, "scale": 4} for name in ("None", "Lanczos", "R-ESRGAN 4x+")]
    )


async def _flags(_: web.Request) -> web.Response:
    return web.json_response({"api": True, "nowebui": True})


async def _nothing(_: web.Request) -> web.Response:
    return web.json_response(None)


async def _run() -> None:
    parser = serve.parser("sdwebui")
    parser.add_argument("--dynamic", action="store_true", help="start without a model")
    options = parser.parse_args()
    options.model = options.model or [DEFAULT_MODEL]
    simulation = serve.build("sdwebui", options)
    app = serve.application(simulation, SdWebUi(simulation).routes())

    async def load() -> None:
        # As on the real one, the server answers before the model is in memory.
        if not options.dynamic:
            async with simulation.gpu.lock:
                await simulation.gpu.load(simulation.models[0])

    await serve.serve(simulation, app, load())


if __name__ == "__main__":
    serve.main(_run)
