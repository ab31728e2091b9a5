"""The indexes of tasks: empty objects whose names S3 lists from the newest task to the oldest. Pure."""

from queue_agent.task.protocol import RECORDS_FOLDER

ENTRY_PATTERN = "^[0-9]{13}-[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
_LAST_MILLISECOND = 9_999_999_999_999


def jobs_folder(owner: str) -> str:
    """The folder of the index of an owner's jobs of the Comfy API."""
    return f"{RECORDS_FOLDER}/_index/{owner}/"


def tasks_folder(owner: str) -> str:
    """The folder of the index of all tasks of an owner. No task has an id that begins with `_`."""
    return f"{RECORDS_FOLDER}/_tasks/{owner}/"


def index_entry(submitted: float, task_id: str) -> str:
    """The name of a task in the index; `submitted` in Unix seconds."""
    return f"{index_position(submitted)}-{task_id}"


def index_position(submitted: float) -> str:
    """The digits with which the names of the tasks of this Unix time begin."""
    milliseconds = min(max(0, round(submitted * 1000)), _LAST_MILLISECOND)
    return f"{_LAST_MILLISECOND - milliseconds:013d}"


def task_of_entry(name: str) -> str:
    """The id of the task that an entry names."""
    return name.partition("-")[2]
