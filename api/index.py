"""The index of tasks: empty objects whose names S3 lists from the newest task to the oldest. Pure."""

from queue_agent.task.protocol import RECORDS_FOLDER

ENTRY_PATTERN = "^[0-9]{13}-[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
_LAST_MILLISECOND = 9_999_999_999_999


def index_folder(owner: str) -> str:
    """The folder of the index of an owner's tasks."""
    return f"{RECORDS_FOLDER}/_index/{owner}/"


def index_entry(submitted: float, task_id: str) -> str:
    """The name of a task in the index; `submitted` in Unix seconds."""
    return f"{_LAST_MILLISECOND - round(submitted * 1000):013d}-{task_id}"
