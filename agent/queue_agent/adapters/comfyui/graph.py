"""Reads ComfyUI workflows. Pure."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from queue_agent.contract import Task, TaskError
from queue_agent.task.workflow import graph_of, inputs_of, workflow_problem


def checked(task: Task) -> dict[str, Any]:
    """A copy of the task's workflow. Raises `TaskError` where ComfyUI would return a 500 without reason."""
    if problem := workflow_problem(task.content):
        raise TaskError("bad_workflow", problem)
    return copy.deepcopy(dict(graph_of(task.content)))


def values(graph: Mapping[str, Any], name: str) -> Iterator[Any]:
    """The values of an input in every node that has it."""
    return (inputs_of(node)[name] for node in graph.values() if name in inputs_of(node))


def seed(graph: Mapping[str, Any]) -> int | None:
    """The first seed of the workflow."""
    seeds = (value for name in ("seed", "noise_seed") for value in values(graph, name))
    return next((value for value in seeds if isinstance(value, int)), None)


def model(graph: Mapping[str, Any]) -> str | None:
    """The first checkpoint that the workflow loads; without one, the first diffusion model."""
    names = (value for name in ("ckpt_name", "unet_name") for value in values(graph, name))
    return next((value for value in names if isinstance(value, str)), None)


def steps(graph: Mapping[str, Any]) -> dict[str, int]:
    """The number of sampling steps of each node that has one."""
    inputs = {node_id: inputs_of(node).get("steps") for node_id, node in graph.items()}
    return {node_id: count for node_id, count in inputs.items() if isinstance(count, int) and count > 0}
