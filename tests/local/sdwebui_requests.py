"""Requests to SD WebUI and what a real one answers: A1111 1.10.1, Forge f2.0.1v1.10.1, 2026-11-26.

`make test-sdwebui` compares them with a real server, `make test` with the simulation, which stands for A1111.
"""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

Size = tuple[int, int]


def png(width: int = 64, height: int = 64) -> str:
    out = io.BytesIO()
    Image.new("RGB", (width, height), (200, 30, 30)).save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


PNG = png()
SMALL = {"prompt": "a lighthouse", "steps": 1, "width": 64, "height": 64, "cfg_scale": 1, "seed": 7}
NOT_A_TYPE = "value is not a valid|type expected|should be a valid"
INVALID_IMAGE = "Invalid encoded image"


@dataclass(frozen=True)
class Row:
    """A request and its answer: status, a pattern in its text, the sizes of its pictures, fields of `info`.

    `forge`: the status there, where it differs.
    """

    path: str
    body: Any
    status: int = 200
    words: str = ""
    sizes: tuple[Size, ...] | None = None
    info: Mapping[str, Any] = field(default_factory=dict)
    forge: int | None = None


def text(changes: Mapping[str, Any], *answer: Any, **more: Any) -> Row:
    """A request for pictures from a text."""
    return Row("/txt2img", {**SMALL, **changes}, *answer, **more)


def image(changes: Mapping[str, Any], *answer: Any, **more: Any) -> Row:
    """A request for pictures from a picture."""
    return Row("/img2img", {**SMALL, **changes}, *answer, **more)


def extra(changes: Mapping[str, Any], *answer: Any, **more: Any) -> Row:
    """A request for a larger picture."""
    return Row("/extra-single-image", {"image": PNG, "upscaler_1": "Lanczos", **changes}, *answer, **more)


def batch(pictures: Any, *answer: Any, **more: Any) -> Row:
    """A request for larger pictures."""
    return Row("/extra-batch-images", {"imageList": pictures, "upscaler_1": "Lanczos"}, *answer, **more)


ONE = ((64, 64),)
NAMED = {"data": PNG, "name": "a.png"}
ROWS = {
    # Sizes and numbers.
    "a size that is not a multiple of 8": text(
        {"width": 100, "height": 70}, sizes=((96, 64),), info={"width": 100}
    ),
    "no width": text({"width": 0}, 500, "RuntimeError"),
    "a width of less than 8": text({"width": 4}, 500, "RuntimeError"),
    "a negative width": text({"width": -64}, 500, "negative dimension"),
    "a width that is null": text({"width": None}, 500, "TypeError"),
    "a width that is text": text({"width": "wide"}, 422, NOT_A_TYPE),
    "a width as digits": text({"width": "64"}, sizes=ONE),
    "a width with a fraction": text({"width": 64.5}, sizes=ONE, forge=422),
    "no steps": text({"steps": 0}, 500, "ZeroDivisionError"),
    "negative steps": text({"steps": -1}, 500, "number of steps must be non-negative"),
    "steps that are null": text({"steps": None}, 500, "TypeError"),
    "no picture in a batch": text({"batch_size": 0}, 500, "IndexError"),
    "no batch": text({"n_iter": 0}, 500, "IndexError"),
    "a scale that is text": text({"cfg_scale": "x"}, 422, NOT_A_TYPE),
    "a large seed": text({"seed": 2**40}, info={"all_seeds": [2**40]}),
    "a seed of more than 64 bits": text({"seed": 2**64}, 500, "Overflow when unpacking long"),
    "a seed below -1": text({"seed": -5}, info={"all_seeds": [-5]}),
    "a prompt that is a number": text({"prompt": 5}, sizes=ONE, forge=422),
    "a prompt that is a list": text({"prompt": ["a"]}, 422, NOT_A_TYPE),
    "a prompt that is null": text({"prompt": None}, 500, "AssertionError"),
    "styles that are text": text({"styles": "a"}, 422, NOT_A_TYPE),
    "a body that is text": Row("/txt2img", "a lighthouse", 422, "body"),
    # Samplers: for an unknown one the first of the list is used, without an error.
    "an unknown sampler": text({"sampler_name": "Nope"}, info={"sampler_name": "DPM++ 2M"}),
    "a sampler in lower case": text({"sampler_name": "euler a"}, info={"sampler_name": "DPM++ 2M"}),
    "a sampler with its scheduler": text(
        {"sampler_name": "DPM++ 2M Karras", "steps": 2}, info={"sampler_name": "DPM++ 2M"}
    ),
    "a sampler by the old key": text({"sampler_index": "DDIM", "steps": 2}, info={"sampler_name": "DDIM"}),
    "an unknown scheduler": text({"scheduler": "Nope"}, info={"sampler_name": "Euler"}),
    # Options.
    "an unknown option": text({"override_settings": {"nope": 1}}, 500, "KeyError"),
    "another option": text({"override_settings": {"CLIP_stop_at_last_layers": 2}}, info={"clip_skip": 2}),
    "the option of the request before": text({}, info={"clip_skip": 1}),
    "a part of a model's name": text(
        {"override_settings": {"sd_model_checkpoint": "oth"}}, info={"sd_model_name": "tiny"}
    ),
    "an unknown model": text(
        {"override_settings": {"sd_model_checkpoint": "none.safetensors"}}, info={"sd_model_name": "tiny"}
    ),
    "a model by its name": text(
        {"override_settings": {"sd_model_checkpoint": "other"}}, info={"sd_model_name": "other"}
    ),
    "the model of the request before": text({}, info={"sd_model_name": "tiny"}),
    "another format": text({"override_settings": {"samples_format": "jpg"}}, sizes=ONE),
    "options that are unknown, set": Row("/options", {"nope": 1}, 500, "KeyError"),
    "a part of a model's name, set": Row(
        "/options", {"sd_model_checkpoint": "oth"}, 500, "model 'oth' not found"
    ),
    # Scripts.
    "an unknown script": text({"script_name": "nope"}, 422, "Script 'nope' not found"),
    "an unknown script that is always on": text(
        {"alwayson_scripts": {"nope": {"args": []}}}, 422, "Script 'nope' not found"
    ),
    "a script that is not always on": text(
        {"alwayson_scripts": {"x/y/z plot": {"args": []}}}, 422, "Cannot have a selectable script"
    ),
    "an unknown refiner": text(
        {"refiner_checkpoint": "nope", "refiner_switch_at": 0.5},
        500,
        "Could not find checkpoint with name nope",
    ),
    "an unknown upscaler of the second pass": text(
        {"enable_hr": True, "hr_upscaler": "nope", "denoising_strength": 0.5}, 500, "could not find upscaler"
    ),
    "a second pass": text(
        {"enable_hr": True, "hr_upscaler": "Latent", "denoising_strength": 0.5, "hr_additional_modules": []},
        sizes=((128, 128),),
    ),
    "a second pass without what Forge wants": text(
        {"enable_hr": True, "hr_upscaler": "Latent", "denoising_strength": 0.5},
        sizes=((128, 128),),
        forge=500,
    ),
    # Pictures from pictures.
    "no picture": image({}, 404, "Init image not found"),
    "an empty list of pictures": image({"init_images": []}, 500, "RuntimeError|IndexError"),
    "a picture that is not in a list": image({"init_images": PNG}, 422, NOT_A_TYPE),
    "a picture that is none": image({"init_images": ["abc"]}, 500, INVALID_IMAGE),
    "a picture that is empty": image({"init_images": [""]}, 500, INVALID_IMAGE),
    "a picture that is null": image({"init_images": [None]}, 500, "AttributeError"),
    "a picture by its URL": image({"init_images": ["http://127.0.0.1/x.png"]}, 500, "Requests not allowed"),
    "a picture as data": image({"init_images": [f"data:image/png;base64,{PNG}"]}, sizes=ONE),
    "a picture as other data": image(
        {"init_images": [f"data:application/octet-stream;base64,{PNG}"]}, 500, INVALID_IMAGE
    ),
    "a mask that is none": image({"init_images": [PNG], "mask": "abc"}, 500, INVALID_IMAGE),
    "two pictures for a batch of one": image(
        {"init_images": [PNG, PNG]}, 500, "bad number of images passed: 2; expecting 1 or less"
    ),
    "two pictures for a batch of four": image(
        {"init_images": [PNG, PNG], "batch_size": 4, "n_iter": 2, "seed": 7},
        sizes=ONE * 4,
        info={"batch_size": 2, "all_seeds": [7, 8, 9, 10, 11, 12, 13, 14]},
    ),
    "one picture for a batch of two": image({"init_images": [PNG], "batch_size": 2}, sizes=ONE * 2),
    # Larger pictures.
    "twice as large": extra({"upscaling_resize": 2}, sizes=((128, 128),)),
    "cropped to a size": extra(
        {"resize_mode": 1, "upscaling_resize_w": 100, "upscaling_resize_h": 50}, sizes=((100, 50),)
    ),
    "no upscaler": extra({"upscaler_1": "None"}, sizes=ONE),
    "an unknown upscaler": extra({"upscaler_1": "nope"}, 500, "could not find upscaler named nope"),
    "a second upscaler that is unknown": extra(
        {"upscaler_2": "nope", "extras_upscaler_2_visibility": 0.5}, 500, "could not find upscaler named nope"
    ),
    "nothing to enlarge": extra({"image": ""}, 500, INVALID_IMAGE),
    "a factor of 0": extra({"upscaling_resize": 0}, 422, "greater than 0"),
    "a factor that leaves nothing": extra({"upscaling_resize": 0.001}, 500, "height and width must be > 0"),
    "an unknown mode": extra({"resize_mode": 2}, 422, "resize_mode"),
    "a width of 0": extra({"resize_mode": 1, "upscaling_resize_w": 0}, 422, "greater than or equal to 1"),
    "a visibility above 1": extra({"gfpgan_visibility": 2}, 422, "less than or equal to 1"),
    "two pictures": batch([NAMED, NAMED], sizes=((128, 128), (128, 128))),
    "an empty batch": batch([], sizes=()),
    "a picture without a name": batch([{"data": PNG}], 422, "name"),
    "a batch without a list": Row("/extra-batch-images", {"upscaler_1": "Lanczos"}, 422, "imageList"),
    # Others.
    "no picture to read": Row("/png-info", {}, 422, "image"),
    "an unknown interrogator": Row("/interrogate", {"image": PNG, "model": "nope"}, 404, "Model not found"),
}


def sizes(answer: Mapping[str, Any]) -> tuple[Size, ...]:
    """The sizes of the pictures of an answer, in pixels."""
    pictures = answer.get("images", [answer["image"]] if "image" in answer else [])
    return tuple(Image.open(io.BytesIO(base64.b64decode(picture))).size for picture in pictures)
