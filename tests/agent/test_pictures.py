"""The pictures of a task in the format and the size that it asks for, and their thumbnails."""

import io
import json
import random

import pytest
from PIL import Image, PngImagePlugin
from queue_agent.blobs import Blob, Scratch
from queue_agent.contract import Output, OutputOptions, PictureOptions
from queue_agent.pictures import converter
from queue_agent.pictures.convert import pictures_of
from queue_agent.pictures.converter import Converter
from queue_agent.task.output_options import output_options
from queue_agent.task.output_rules import output_errors

from testing.world import World

TEXTS = {"parameters": "a cat, Steps: 20, 猫", "prompt": '{"3": {}}', "workflow": '{"nodes": []}'}


def png(size: tuple[int, int] = (640, 320), mode: str = "RGB", texts: dict[str, str] | None = None) -> bytes:
    info = PngImagePlugin.PngInfo()
    for name, text in (TEXTS if texts is None else texts).items():
        info.add_itxt(name, text)
    image, target = Image.new(mode, size, 0), io.BytesIO()
    image.save(target, "PNG", pnginfo=info)
    return target.getvalue()


def made(data: bytes, **picture: object) -> Image.Image:
    """The picture that these options make of the data."""
    converted, _ = pictures_of(io.BytesIO(data), output_options(picture))
    assert converted is not None
    image = Image.open(io.BytesIO(converted.data))
    assert (converted.width, converted.height) == image.size
    assert (image.format or "").lower() == converted.format
    return image


def output(data: bytes, content_type: str = "image/png", kind: str = "image") -> Output:
    return Output(Blob(data), content_type, kind, "png", {"parameters": "x"})


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_a_larger_picture_is_scaled_down_and_keeps_its_shape(kind: str):
    image = made(png(), format=kind, maxSize=200)

    assert image.size == (200, 100)


def test_a_picture_that_is_as_the_options_want_it_is_left_alone():
    for value in ({"format": "png"}, {"maxSize": 640}, {"thumbnail": {"maxSize": 64}}):
        assert pictures_of(io.BytesIO(png()), output_options(value))[0] is None


def test_a_thumbnail_is_webp_of_at_most_its_size_and_without_metadata():
    picture, thumbnail = pictures_of(io.BytesIO(png()), output_options({"thumbnail": {"maxSize": 64}}))

    assert picture is None and thumbnail is not None
    image = Image.open(io.BytesIO(thumbnail.data))
    assert (image.format, image.size, len(image.getexif())) == ("WEBP", (64, 32), 0)


def test_quality_decides_the_size_of_the_file():
    noise = Image.frombytes("RGB", (256, 256), random.Random(0).randbytes(256 * 256 * 3))
    target = io.BytesIO()
    noise.save(target, "PNG")

    sizes = [
        len(
            pictures_of(io.BytesIO(target.getvalue()), output_options({"format": "webp", "quality": n}))[
                0
            ].data
        )  # type: ignore[union-attr]
        for n in (20, 95)
    ]

    assert sizes[0] < sizes[1] / 2


def test_metadata_goes_where_the_tools_of_the_runtimes_look_for_it():
    for kind in ("jpeg", "webp"):
        exif = made(png(), format=kind).getexif()
        comment = exif.get_ifd(0x8769)[0x9286]
        assert comment.removeprefix(b"UNICODE\0").decode("utf-16-be") == TEXTS["parameters"]
        assert exif[0x0110] == f"prompt:{TEXTS['prompt']}"
        assert exif[0x010F] == f"workflow:{TEXTS['workflow']}"
    assert made(png(), maxSize=64).info.items() >= TEXTS.items()


def test_a_workflow_too_long_for_a_jpeg_is_left_out_and_the_prompt_kept():
    exif = made(png(texts={**TEXTS, "workflow": "w" * 70_000}), format="jpeg").getexif()

    assert exif[0x0110] == f"prompt:{TEXTS['prompt']}"
    assert 0x010F not in exif
    assert len(made(png(texts={"workflow": "w" * 70_000}), format="webp").getexif()[0x0110]) > 70_000


def test_what_is_transparent_is_white_in_a_jpeg_and_stays_transparent_in_webp():
    clear = png(mode="RGBA")

    assert made(clear, format="jpeg").getpixel((0, 0)) == (255, 255, 255)
    assert made(clear, format="webp").getpixel((0, 0))[3] == 0  # type: ignore[index]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "I;16", "RGBA"])
@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_every_kind_of_png_can_be_converted(mode: str, kind: str):
    assert made(png(mode=mode, texts={}), format=kind, maxSize=100).size == (100, 50)


async def test_the_agent_converts_in_a_process_of_its_own():
    converted = await Converter(Scratch()).convert(
        output(png()), output_options({"format": "jpeg", "thumbnail": {"maxSize": 32, "format": "png"}})
    )

    assert converted.thumbnail is not None and not converted.problem
    assert (converted.picture.content_type, converted.picture.extension) == ("image/jpeg", "jpg")
    assert converted.picture.metadata == {"parameters": "x"}
    assert Image.open(converted.picture.data.reader()).size == (640, 320)
    assert Image.open(converted.thumbnail.data.reader()).size == (32, 16)
    assert converted.thumbnail.content_type == "image/png"


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (output(png()[:-40]), "it cannot be converted: "),
        (output(png((16, 16))[:40]), "it cannot be converted: "),
        (
            output(png((4200, 4200), "1", {})),
            "it has 17640000 pixels; those of at most 16777216 are converted",
        ),
        (output(b"BM", "image/bmp"), "image/bmp is not converted"),
    ],
    ids=["damaged", "a header alone", "too large", "another type"],
)
async def test_a_picture_that_cannot_be_converted_stays_as_it_is_with_the_reason(given: Output, problem: str):
    converted = await Converter(Scratch()).convert(given, output_options({"format": "webp"}))

    assert (converted.picture, converted.thumbnail) == (given, None)
    assert converted.problem.startswith(problem)


async def test_other_outputs_are_left_alone_without_a_word():
    video = output(b"\0\0\0\x18ftypmp42", "video/mp4", "video")

    assert await Converter(Scratch()).convert(
        video, OutputOptions(PictureOptions("webp"))
    ) == converter.Converted(video)


@pytest.mark.parametrize(
    ("value", "errors"),
    [
        ({"format": "webp", "quality": 1, "maxSize": 16, "thumbnail": {"maxSize": 1024}}, {}),
        ({"thumbnail": {"maxSize": 64, "quality": 100}}, {}),
        ({"maxSize": 512.0}, {}),
        ([], {"": "must be an object"}),
        ({}, {"": "must not be empty"}),
        ({"size": 5}, {"size": "is not a known key; the keys are format, quality, maxSize, thumbnail"}),
        ({"format": "gif"}, {"format": "must be one of png, jpeg, webp"}),
        ({"format": ["webp"]}, {"format": "must be one of png, jpeg, webp"}),
        ({"quality": 80}, {"quality": "is only for the formats jpeg and webp: name one in `format`"}),
        (
            {"format": "png", "quality": 80},
            {"quality": "is only for the formats jpeg and webp: name one in `format`"},
        ),
        ({"format": "webp", "quality": 0}, {"quality": "must be an integer from 1 to 100"}),
        ({"format": "webp", "quality": True}, {"quality": "must be an integer from 1 to 100"}),
        ({"maxSize": 15}, {"maxSize": "must be an integer from 16 to 16384"}),
        ({"maxSize": 64.5}, {"maxSize": "must be an integer from 16 to 16384"}),
        ({"maxSize": float("nan")}, {"maxSize": "must be an integer from 16 to 16384"}),
        ({"thumbnail": True}, {"thumbnail": "must be an object"}),
        ({"thumbnail": {"format": "png"}}, {"thumbnail.maxSize": "is missing"}),
        ({"thumbnail": {"maxSize": 2048}}, {"thumbnail.maxSize": "must be an integer from 16 to 1024"}),
    ],
)
def test_options_that_are_wrong_or_change_nothing_are_refused(value: object, errors: dict[str, str]):
    assert dict(output_errors(value)) == errors


def test_a_task_gets_its_pictures_as_it_asked_for_them(world: World):
    runtime = world.runtime("--service-time", "0.05")
    world.agent(runtime.url)
    wanted = {"format": "webp", "maxSize": 32, "thumbnail": {"maxSize": 16}}

    world.send(["asked"], output=wanted, links=True)
    world.send(["plain"])
    callbacks = world.callbacks_for(["asked", "plain"])

    folder = f"s3://{world.bucket}/asked/"
    assert callbacks["asked"]["image_url"] == [f"{folder}asked-1.webp"]
    assert callbacks["asked"]["thumbnail_url"] == [f"{folder}asked-1-thumbnail.webp"]
    [link] = callbacks["asked"]["thumbnails"]
    assert "asked-1-thumbnail.webp" in link
    [stored] = world.object("asked/result.json")["outputs"]
    assert (stored["content_type"], stored["thumbnail"]["content_type"]) == ("image/webp",) * 2
    data = world.s3.get_object(Bucket=world.bucket, Key="asked/asked-1.webp")["Body"].read()
    assert max(Image.open(io.BytesIO(data)).size) == 32
    assert not {"thumbnail_url", "thumbnails"} & callbacks["plain"].keys()
    [plain] = world.object("plain/result.json")["outputs"]
    assert not {"thumbnail", "problem"} & plain.keys()
    assert json.dumps(plain).count("png") == 2


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
async def test_the_largest_picture_that_is_converted_fits_into_the_memory_of_its_process(kind: str):
    noise = Image.frombytes("RGB", (1024, 1024), random.Random(0).randbytes(1024 * 1024 * 3))
    image, target = noise.resize((4096, 4096), Image.Resampling.BICUBIC), io.BytesIO()
    image.save(target, "PNG", compress_level=1)
    wanted = {"format": kind, "maxSize": 4000, "thumbnail": {"maxSize": 1024}}

    converted = await Converter(Scratch()).convert(output(target.getvalue()), output_options(wanted))

    assert not converted.problem
    assert Image.open(converted.picture.data.reader()).size == (4000, 4000)
