"""Where everything of a task is in the bucket: functions of the task alone, so that a repeat finds it."""

from queue_agent.contract import Task


def folder(task: Task) -> str:
    """The folder of its results."""
    return f"{task.prefix}/{task.id}" if task.prefix else task.id


def output(task: Task, number: int, extension: str) -> str:
    """The key of its output `number`, from 1."""
    return f"{folder(task)}/{task.id}-{number}.{extension}"


def result(task: Task) -> str:
    """The record that is written last: where it is, the task is over."""
    return f"{folder(task)}/result.json"


def claim(task: Task) -> str:
    """Who works on it, until when."""
    return f".tasks/{task.id}/claim.json"


def url(bucket: str, key: str) -> str:
    """The address that callbacks use."""
    return f"s3://{bucket}/{key}"
