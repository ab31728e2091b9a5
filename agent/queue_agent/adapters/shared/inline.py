"""Pictures as text: base64 alone, or a data URI."""

import base64
import binascii

from queue_agent.contract import InputImage, TaskError
from queue_agent.task.inputs import image_of

HEAD = "data:"


def decoded(text: str) -> bytes:
    """The bytes that the text stands for. Raises ValueError when it is no base64."""
    body = text.partition(",")[2] if text.startswith(HEAD) else text
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None


def input_image(text: str, where: str) -> InputImage | None:
    """The picture of a data URI in a task; None for other text, such as a name. Raises `TaskError`."""
    if not text.startswith(HEAD):
        return None
    try:
        return image_of(decoded(text), where)
    except ValueError:
        raise TaskError("input_not_image", f"{where} is no base64") from None


def data_uri(image: InputImage) -> str:
    """The picture as a data URI."""
    return f"{HEAD}{image.content_type};base64,{base64.b64encode(image.data).decode()}"
