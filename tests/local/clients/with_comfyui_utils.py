"""`comfyui-utils` against the ComfyUI at argv[1], real or simulated; a workflow is in the folder argv[2]."""

import asyncio
import io
import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from comfyui_utils.comfy import Callbacks, ComfyAPI

workflow = json.loads((Path(sys.argv[2]) / "workflow.json").read_text())
positions: list[int] = []
steps: list[tuple[int, int, int]] = []
results: list[dict[str, Any]] = []
files: list[bytes] = []


class RecordingCallbacks(Callbacks):
    """Keeps what the library calls back with."""

    async def queue_position(self, position: int) -> None:
        positions.append(position)

    async def in_progress(self, node_id: int, progress: int, total: int) -> None:
        steps.append((node_id, progress, total))

    async def completed(self, outputs: dict[str, Any], cached: bool) -> None:
        results.append(outputs)


async def keep(file: io.BytesIO) -> None:
    files.append(file.read())


async def main() -> None:
    api = ComfyAPI(urlsplit(sys.argv[1]).netloc)
    await api.submit(workflow, RecordingCallbacks())
    assert positions == [0], positions
    assert max(progress / total for _, progress, total in steps if total) > 0.5, steps
    for image in results[0]["images"]:
        await api.fetch(image, keep)
    assert [file[:4] for file in files] == [b"\x89PNG"], results

    workflow["4"]["inputs"]["ckpt_name"] = "not there.safetensors"
    try:
        await api.submit(workflow, RecordingCallbacks())
    except ValueError as error:
        assert "Node 4" in str(error) and "not there" in str(error), error
    else:
        raise AssertionError("an unknown model was taken")


asyncio.run(main())
