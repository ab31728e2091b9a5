"""Parses the body of an upload: multipart/form-data, RFC 7578. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser

_MAX_PARTS = 64


@dataclass(frozen=True)
class Part:
    """One field of the form; `content_type` is "" when the part names none."""

    name: str
    content_type: str
    data: bytes

    @property
    def text(self) -> str:
        """The value of a field that is no file."""
        return self.data.decode(errors="replace").strip()


def form_parts(body: bytes, content_type: str) -> list[Part]:
    """The fields of a form. Raises `ValueError` when the body is not one."""
    header = Message()
    header["Content-Type"] = content_type
    boundary = header.get_boundary()
    if header.get_content_type() != "multipart/form-data" or not boundary:
        raise ValueError("the body must be multipart/form-data, with a boundary in Content-Type")
    _, *pieces = (b"\r\n" + body).split(b"\r\n--" + boundary.encode())
    if not pieces or not pieces[-1].startswith(b"--"):
        raise ValueError("the body ends before its last boundary")
    if len(pieces) > _MAX_PARTS:
        raise ValueError(f"the form has more than {_MAX_PARTS - 1} fields")
    return list(_parts(pieces[:-1]))


def _parts(pieces: list[bytes]) -> Iterator[Part]:
    for piece in pieces:
        head, separator, data = piece.partition(b"\r\n\r\n")
        if not separator:
            raise ValueError("a part of the form has no headers")
        headers = BytesHeaderParser().parsebytes(head.lstrip(b" \t").removeprefix(b"\r\n"))
        name = headers.get_param("name", header="content-disposition")
        if not isinstance(name, str) or not name:
            continue  # a field that nobody asked for
        kind = headers.get_content_type() if "content-type" in headers else ""
        yield Part(name, kind, data)
