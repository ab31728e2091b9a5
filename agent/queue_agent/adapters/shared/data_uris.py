"""Images as text: base64, or a data URI."""

import base64
import binascii

from queue_agent.contract import InputImage, TaskError
from queue_agent.task.images import image_of

SCHEME = "data:"


def decode(text: str) -> bytes:
    """The bytes of base64 or of a data URI. Raises `ValueError` when the text is not valid base64."""
    body = text.partition(",")[2] if text.startswith(SCHEME) else text
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None


def input_image(text: str, source: str) -> InputImage | None:
    """The image of a data URI in a task; None for other text, such as a file name. Raises `TaskError`."""
    if not text.startswith(SCHEME):
        return None
    try:
        return image_of(decode(text), source)
    except ValueError:
        raise TaskError("input_not_image", f"{source} is not valid base64") from None


def data_uri(image: InputImage) -> str:
    """The image as a data URI."""
    return f"{SCHEME}{image.content_type};base64,{base64.b64encode(image.data).decode()}"
