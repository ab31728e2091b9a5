"""Carries what a runtime wrote into a picture over to another format: prompt, workflow, parameters. Pure.

PNG has texts with names. JPEG and WebP have Exif, where tools look for them in the places that the runtimes
themselves use when they write such files.
"""

from collections.abc import Mapping
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from queue_agent.task.output_rules import JPEG, PNG

# AUTOMATIC1111 and Forge: `parameters` as the user's comment, in UTF-16. save_image_with_geninfo of
# https://github.com/AUTOMATIC1111/stable-diffusion-webui/blob/v1.10.1/modules/images.py
PARAMETERS, EXIF_IFD, USER_COMMENT, UNICODE = "parameters", 0x8769, 0x9286, b"UNICODE\0"
# ComfyUI: `prompt:{JSON}` as the camera's model, each further text in the tag before it.
# SaveAnimatedWEBP of https://github.com/comfyanonymous/ComfyUI/blob/v0.3.40/comfy_extras/nodes_images.py
PROMPT, FIRST_TEXT_TAG, LAST_TEXT_TAG = "prompt", 0x0110, 0x0100
# One segment of a JPEG: https://www.w3.org/Graphics/JPEG/itu-t81.pdf, B.1.1.4. "Exif\0\0" is a part of it.
JPEG_EXIF_MAX_BYTES = 65_533 - 6


def save_options(image: Image.Image, kind: str) -> dict[str, Any]:
    """What Pillow is to write into a file of this kind, next to the pixels of `image`."""
    profile = image.info.get("icc_profile")
    options: dict[str, Any] = {"icc_profile": profile} if profile else {}
    texts = {str(name): text for name, text in image.info.items() if isinstance(text, str)}
    if kind == PNG:
        return {**options, "pnginfo": _png_texts(texts), "exif": image.getexif().tobytes()}
    for names in _fewer(list(texts)):
        data = _exif(image, {name: texts[name] for name in names})
        if kind != JPEG or len(data) <= JPEG_EXIF_MAX_BYTES:
            return {**options, "exif": data} if data else options
    return options


def _fewer(names: list[str]) -> list[list[str]]:
    """All names, then without the last one, and so on: the workflow comes after what it was made from."""
    ordered = sorted(names, key=lambda name: (name not in (PARAMETERS, PROMPT), names.index(name)))
    return [ordered[:count] for count in range(len(ordered), -1, -1)]


def _png_texts(texts: Mapping[str, str]) -> PngInfo:
    info = PngInfo()
    for name, text in texts.items():
        info.add_itxt(name, text)
    return info


def _exif(image: Image.Image, texts: Mapping[str, str]) -> bytes:
    """The Exif data of the picture, with these texts; b"" when there is nothing to say."""
    exif = Image.Exif()  # a copy: the image's own one is used again with fewer texts
    exif.load(image.info.get("exif") or b"")
    tag = FIRST_TEXT_TAG
    for name, text in texts.items():
        if name == PARAMETERS:
            exif.get_ifd(EXIF_IFD)[USER_COMMENT] = UNICODE + text.encode("utf-16-be")
        elif tag >= LAST_TEXT_TAG:
            exif[tag] = f"{name}:{text}"
            tag -= 1
    return exif.tobytes() if len(exif) else b""
