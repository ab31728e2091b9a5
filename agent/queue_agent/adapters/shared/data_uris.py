"""Images as text: base64, or a data URI."""

import base64
import binascii

from queue_agent.adapters.shared.bodies import FileText
from queue_agent.blobs import Blob
from queue_agent.contract import InputImage, TaskError
from queue_agent.task.images import look
from queue_agent.task.media_types import media_type

SCHEME = "data:"
LINE_BREAK = "\n"
# The longest name of a file; a longer text in the place of a name is base64, or nothing that can be used.
MAX_NAME_CHARACTERS = 255


def decode(text: str) -> bytes:
    """The bytes of base64, which may have line breaks, or of a data URI. Raises `ValueError` for others."""
    body = text.partition(",")[2] if text.startswith(SCHEME) else text
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error as error:
        if LINE_BREAK not in body:
            raise ValueError(str(error)) from None
    return decode("".join(body.split()))


async def input_file(text: str, source: str, *, media: bool = False) -> InputImage | None:
    """The image, or with `media` the video or audio file, of a data URI or of base64; None for a file name.

    Raises `TaskError`.
    """
    if _is_name(text):
        return None
    try:
        data = Blob(decode(text))
    except ValueError:
        raise TaskError("input_not_image", f"{source} is not valid base64") from None
    return await look(data, source, media=media)


def _is_name(text: str) -> bool:
    """Whether the text is the name of a file, not the file as text."""
    if text.startswith(SCHEME) or len(text) > MAX_NAME_CHARACTERS:
        return False
    try:
        return media_type(Blob(decode(text))) is None
    except ValueError:  # a dot, which base64 does not have, before the extension
        return True


def data_uri(image: InputImage) -> FileText:
    """The image as a data URI."""
    return FileText(image.data, f"{SCHEME}{image.content_type};base64,")
