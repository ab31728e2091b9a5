"""Batches that InvokeAI refuses, by what is wrong with them: the simulation must do so in the same words."""

from typing import Any

BLANK = {"id": "a", "type": "blank_image"}
SCALE = {"id": "b", "type": "img_scale"}


def graph(*nodes: dict[str, Any], edges: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    """A batch of a graph with these nodes."""
    return {"graph": {"nodes": {node["id"]: node for node in nodes}, "edges": list(edges)}, "runs": 1}


def edge(source: str, field: str, target: str, name: str) -> dict[str, Any]:
    """An edge from a field of one node to that of another."""
    return {
        "source": {"node_id": source, "field": field},
        "destination": {"node_id": target, "field": name},
    }


def data(*items: Any, node: str = "a", field: str = "width") -> dict[str, Any]:
    """A batch with these values for a field."""
    return {**graph(BLANK), "data": [[{"node_path": node, "field_name": field, "items": list(items)}]]}


REFUSED: dict[str, dict[str, Any]] = {
    "number as text": graph({**SCALE, "scale_factor": "wide"}),
    "below a minimum": graph({**SCALE, "scale_factor": -1}),
    "unknown choice": graph({**SCALE, "resample_mode": "smooth"}),
    "unknown scheduler": graph({"id": "a", "type": "denoise_latents", "scheduler": "Euler a"}),
    "no steps": graph({"id": "a", "type": "denoise_latents", "steps": 0}),
    "above a maximum": graph({"id": "a", "type": "denoise_latents", "denoising_start": 1.5}),
    "text for an image": graph({**SCALE, "image": "x.png"}),
    "image without a name": graph({**SCALE, "image": {"name": "x.png"}}),
    "half a number": graph({**BLANK, "width": 64.5}),
    "no number": graph({**BLANK, "width": None}),
    "model without a key": graph({"id": "a", "type": "main_model_loader", "model": {"name": "x"}}),
    "model that is missing": graph({"id": "a", "type": "sd3_model_loader"}),
    "other id": {"graph": {"nodes": {"b": BLANK}, "edges": []}, "runs": 1},
    "unknown source field": graph(BLANK, SCALE, edges=(edge("a", "nothing", "b", "image"),)),
    "unknown destination field": graph(BLANK, SCALE, edges=(edge("a", "image", "b", "picture"),)),
    "unknown node": graph(BLANK, edges=(edge("z", "image", "a", "width"),)),
    "cycle": graph(
        {"id": "a", "type": "img_blur"},
        {"id": "b", "type": "img_blur"},
        edges=(edge("a", "image", "b", "image"), edge("b", "image", "a", "image")),
    ),
    "no runs": {**graph(BLANK), "runs": 0},
    "data for an unknown node": data(64, node="z"),
    "data for an unknown field": data(64, field="nope"),
}


def short(problems: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Type, location and message of each problem in a 422."""
    return [(one["type"], ".".join(map(str, one["loc"])), one["msg"]) for one in problems]
