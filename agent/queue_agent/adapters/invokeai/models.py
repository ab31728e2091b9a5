"""Finds the models that a graph names: InvokeAI assigns new keys to them at each start."""

from collections.abc import Mapping, Sequence
from typing import Any

from queue_agent.adapters.invokeai import graph as graphs
from queue_agent.adapters.invokeai.content import replace
from queue_agent.adapters.shared.http import Http
from queue_agent.contract import TaskError


async def resolve(http: Http, several: Sequence[dict[str, Any]]) -> None:
    """Put the current keys of their models into graphs. Raises `TaskError`."""
    resolved: dict[str, Mapping[str, Any]] = {}
    for graph in several:
        for path, model in list(graphs.models(graph)):
            name = str(sorted(model.items()))
            try:
                if name not in resolved:
                    resolved[name] = await _resolved(http, model)
            except TaskError:
                # What is only recorded may name a model that is not here; InvokeAI checks only its form.
                if not graphs.is_recorded(graph, path):
                    raise
                continue
            replace(graph, path, resolved[name])
            # The graphs of one task share their nodes: the next one may have this reference already.
            resolved[str(sorted(resolved[name].items()))] = resolved[name]


async def _resolved(http: Http, model: Mapping[str, Any]) -> Mapping[str, Any]:
    """The reference with the current key of its model. Raises `TaskError` where that is not exactly one."""
    query = {
        "model_name": model["name"],
        "model_type": model.get("type"),
        "base_models": model.get("base"),
    }
    params = {key: str(value) for key, value in query.items() if value}
    response = await http.call("GET", "/api/v2/models/", params=params)
    if response.status == 422:
        raise TaskError("model_unknown", graphs.rejection(response.json()))
    matches = response.json().get("models") or []
    if not matches:
        raise TaskError("model_unknown", f"no model matches {', '.join(params.values())}")
    if len(matches) > 1 and model.get("key") not in (match["key"] for match in matches):
        kinds = ", ".join(f"{match['base']} {match['type']}" for match in matches)
        raise TaskError("model_ambiguous", f"{model['name']} matches {kinds}: set base and type")
    chosen = next((match for match in matches if match["key"] == model.get("key")), matches[0])
    return {**model, **{field: chosen[field] for field in graphs.MODEL_FIELDS}}
