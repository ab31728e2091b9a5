"""`comfy-toolkit` against the ComfyUI at argv[1], real or simulated; a workflow is in the folder argv[2]."""

import sys
from pathlib import Path

from comfy_toolkit import ComfyClient, ComfyExecutionError, ComfySubmitError, customize

client = ComfyClient(sys.argv[1])
workflow = client.load_workflow(Path(sys.argv[2]) / "workflow.json")
assert client.is_online()

steps = []
result = client.submit_and_track(
    customize(workflow, positive="a lighthouse", seed=42),
    on_progress=lambda step, all_: steps.append((step, all_)),
)
assert result["status"] == "completed" and len(result["images"]) == 1, result
assert client.download(result["images"][0]).startswith(b"\x89PNG")
assert steps and steps[-1][0] <= steps[-1][1], steps

second_id = client.submit(customize(workflow, seed=43))
assert client.wait(second_id, expect="images", poll_interval=0.1)["images"]
assert client.queue_status() == {"running": 0, "pending": 0}

wrong = customize(workflow, seed=44)
wrong["4"]["inputs"]["ckpt_name"] = "not there.safetensors"
try:
    client.submit(wrong)
except ComfySubmitError as error:
    assert "value_not_in_list" in str(error), error
else:
    raise AssertionError("an unknown model was taken")

if "simulated" in sys.argv:  # no real server can be made to run out of memory
    client.post("/_simulation/faults", {"kind": "oom"})
    try:
        client.submit_and_track(customize(workflow, seed=45))
    except ComfyExecutionError as error:
        assert "OutOfMemoryError" in str(error.detail), error.detail
    else:
        raise AssertionError("a failure was taken for success")
