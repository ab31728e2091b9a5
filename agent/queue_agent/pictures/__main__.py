"""The process that reads and writes pixels: `python -m queue_agent.pictures OPTIONS <picture >pictures`.

It writes a line of JSON for the picture and for its thumbnail, `{format, width, height, bytes}` or null, then
their bytes. A picture that it cannot read or that needs too much memory ends it with a line on stderr.
"""

import json
import resource
import sys

from queue_agent.pictures.convert import Picture, pictures_of
from queue_agent.task.output_options import options_of_text

# Measured for 4096 x 4096 pixels of blurred noise as WebP: 316 MB, the interpreter's own memory included.
MEMORY_BYTES = 320 * 2**20


def main() -> None:
    """Convert what comes on standard input."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    try:
        pictures = pictures_of(sys.stdin.buffer, options_of_text(sys.argv[1]))
    except (OSError, ValueError, MemoryError) as error:
        sys.exit(f"{type(error).__name__}: {error}"[:200])
    for picture in pictures:
        sys.stdout.buffer.write(json.dumps(_head(picture)).encode() + b"\n")
    for picture in pictures:
        sys.stdout.buffer.write(picture.data if picture else b"")


def _head(picture: Picture | None) -> dict[str, object] | None:
    if picture is None:
        return None
    return {
        "format": picture.format,
        "width": picture.width,
        "height": picture.height,
        "bytes": len(picture.data),
    }


if __name__ == "__main__":
    main()
