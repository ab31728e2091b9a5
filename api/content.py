"""Checks the content of a task as its runtime would, as far as that is known without one."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from queue_agent.task.workflow import graph_of, path_problem, workflow_problem

from api.node_lists import NodeLists
from api.problem import FieldError
from api.settings import Runtime

CONTENT_FIELD = "task.content"
# So many errors fit into a response, whatever was sent.
_MAX_ERRORS = 200


def content_errors(runtime: Runtime, content: Mapping[str, Any], nodes: NodeLists) -> list[FieldError]:
    """The errors of a task's content, with the paths of the fields; at most 200."""
    return list(islice(_errors_of(runtime, content, nodes), _MAX_ERRORS))


def _errors_of(runtime: Runtime, content: Mapping[str, Any], nodes: NodeLists) -> Iterator[FieldError]:
    match runtime.type:
        case "comfyui":
            yield from _workflow_errors(runtime, content, nodes)


def _workflow_errors(runtime: Runtime, content: Mapping[str, Any], nodes: NodeLists) -> Iterator[FieldError]:
    if problem := workflow_problem(content):
        yield FieldError(CONTENT_FIELD, problem.removeprefix("content "))
        return
    graph = graph_of(content)
    field = CONTENT_FIELD if graph is content else f"{CONTENT_FIELD}.prompt"
    if problem := path_problem(graph):
        yield FieldError(field, problem)
    for error in nodes.errors(runtime, graph):
        place = f".inputs.{error.input}" if error.input else ""
        yield FieldError(f"{field}.{error.node}{place}" if error.node else field, error.text)
