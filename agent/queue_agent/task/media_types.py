"""Which type of file bytes are, by their content alone. Pure."""

from dataclasses import dataclass

import filetype

from queue_agent.blobs import Blob
from queue_agent.task import frames

# The beginning of a file, in which its type is recognized.
HEAD_BYTES = 8192
ANIMATED = ("image/gif", "image/apng")
PNG, WEBP = "image/png", "image/webp"
# MPEG transport streams: the offset of the first packet's sync byte, the length of a packet, the extension.
# ISO/IEC 13818-1; packets of 192 bytes start with a time code (Blu-ray, AVCHD).
STREAM_PACKETS = ((0, 188, "ts"), (4, 192, "m2ts"))
SYNC_BYTE, SYNC_BYTES = 0x47, 3
# Signatures of files that the library `filetype` does not know.
SIGNATURES = (
    (b"glTF", "model/gltf-binary", "glb"),
    (b"v/1\x01", "image/x-exr", "exr"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "image/jxl", "jxl"),
    (b"#?RADIANCE", "image/vnd.radiance", "hdr"),
)


@dataclass(frozen=True)
class MediaType:
    """A media type with the extension of its files ("png"). `animated`: an image of several frames."""

    mime: str
    extension: str
    animated: bool = False


def media_type(data: Blob) -> MediaType | None:
    """The type of a file; None when it is not recognized."""
    head = data.read(0, HEAD_BYTES)
    kind = filetype.guess(head)
    if kind is None:
        return _of_other(head)
    if kind.mime in (PNG, WEBP) and _has_frames(data, kind.mime):
        return MediaType("image/apng", "apng", True) if kind.mime == PNG else MediaType(WEBP, "webp", True)
    if kind.mime == "audio/ogg" and (b"\x80theora" in head[:64] or b"\x01video" in head[:64]):
        return MediaType("video/ogg", "ogv")
    return MediaType(kind.mime, kind.extension, kind.mime in ANIMATED)


def _has_frames(data: Blob, mime: str) -> bool:
    try:
        with data.view() as view:
            return frames.is_animated(view, mime)
    except frames.TooManyBlocksError:
        return False


def _of_other(head: bytes) -> MediaType | None:
    """The type of a file that the library does not know."""
    for offset, length, extension in STREAM_PACKETS:
        sync = head[offset : offset + SYNC_BYTES * length : length]
        if sync == bytes([SYNC_BYTE] * SYNC_BYTES):
            return MediaType("video/mp2t", extension)
    if head[4:8] == b"ftyp":
        return _of_brand(head[8:12])
    for signature, mime, extension in SIGNATURES:
        if head.startswith(signature):
            return MediaType(mime, extension)
    return None


def _of_brand(brand: bytes) -> MediaType:
    """The type of an ISO base media file by its major brand: https://mp4ra.org/registered-types/brands."""
    if brand == b"avis":
        return MediaType("image/avif", "avif", True)
    return MediaType("video/3gpp", "3gp") if brand.startswith(b"3g") else MediaType("video/mp4", "mp4")
