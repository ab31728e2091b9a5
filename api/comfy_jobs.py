"""Jobs of the Comfy API v2: tasks of a ComfyUI runtime in the words of its contract."""

import re
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from queue_agent.task.protocol import (
    request_key,
    structure_error,
    workflow_key,
)

from api.comfy_assets import Assets
from api.comfy_documents import JobDocuments, labels_of, list_item
from api.comfy_errors import bad_request, invalid, not_found
from api.comfy_ids import is_job_id, job_id_of_key, new_job_id
from api.comfy_workflow import check_job, check_nodes, filters, references
from api.content import workflow_errors
from api.index import ENTRY_PATTERN, index_entry, jobs_folder, task_of_entry
from api.node_lists import NodeLists
from api.problem import ProblemError
from api.records import Records
from api.settings import Runtime
from api.state import TaskView, read_task
from api.tasks import Publish, Task, cancel, submit

_MAX_KEY_CHARACTERS = 255
_DEFAULT_LIMIT, _MAX_LIMIT = 20, 100
# With filters, so many jobs are looked at for one page; it may then be short or empty, and has a next one.
_MAX_SCANNED = 200
# Reads of a page go on at the same time.
_READERS = 10


@dataclass(frozen=True)
class Jobs:
    """The jobs of one owner on one runtime."""

    runtime: Runtime
    owner: str
    records: Records
    assets: Assets
    documents: JobDocuments
    publish: Publish
    nodes: NodeLists

    def submit(self, body: Any, key: str | None) -> dict[str, Any]:
        """Queue a workflow; `key` is its idempotency key. Raises `ComfyError` and `ProblemError`."""
        if key is not None and not 0 < len(key) <= _MAX_KEY_CHARACTERS:
            raise bad_request(f"Idempotency-Key must have 1 to {_MAX_KEY_CHARACTERS} characters.")
        # The agent measures the message, in which the workflow is in content.prompt.
        if structure := structure_error({"content": body}):
            raise bad_request(f"The body {structure}.")
        job = check_job(body)
        workflow, extra = job["workflow"], job.get("extra_data")
        check_nodes(workflow, workflow_errors(self.runtime, workflow, self.nodes))
        job_id = job_id_of_key(self.owner, self.runtime.name, key) if key else new_job_id()
        metadata: dict[str, Any] = {
            "id": job_id,
            "runtime": self.runtime.name,
            "tasktype": "workflow",
            "prefix": "",
        }
        if files := self.assets.files(references(workflow)):
            metadata["assets"] = files
        content = {"prompt": workflow, **({"extra_data": extra} if extra else {})}
        task = Task(self.runtime, metadata, content, ("runtime", self.runtime.name), self.owner)
        self._refuse_reuse(job_id, task, key)
        self.records.overwrite(workflow_key(job_id), workflow)
        self.records.overwrite(jobs_folder(self.owner) + index_entry(time.time(), job_id), {})
        nodes = {node_id: node["class_type"] for node_id, node in workflow.items()}
        labels = job.get("metadata") or {}
        submit(task, self.records, self.publish, {"labels": labels, "nodes": nodes})
        return self.get(job_id)

    def get(self, job_id: str) -> dict[str, Any]:
        """The job. Raises `ComfyError`: 404."""
        return self.documents.document(job_id, self._task(job_id))

    def cancel(self, job_id: str) -> dict[str, Any]:
        """Ask for the end of a job; one that has ended stays as it is. Raises `ComfyError`: 404."""
        self._task(job_id)
        try:
            cancel(self.runtime, job_id, self.records, self.owner)
        except ProblemError as problem:
            if problem.status != 409:
                raise
        return self.get(job_id)

    def workflow(self, job_id: str) -> dict[str, Any]:
        """The workflow of a job: as it was executed, before that as it was sent. Raises `ComfyError`: 404."""
        task = self._task(job_id)
        executed = ((task.result or {}).get("metadata") or {}).get("prompt")
        if executed is None:
            stored = self.records.read(workflow_key(job_id))
            executed = stored.value if stored else None
        if executed is None:
            raise not_found("The workflow of this job has expired.")
        return {"workflow": executed, "format": "api"}

    def list(self, query: Mapping[str, list[str]]) -> dict[str, Any]:
        """One page of jobs, newest first. Raises `ComfyError`: 400."""
        limit, labels, folder = _limit(query), filters(query), jobs_folder(self.owner)
        after = _position(query["cursor"][0]) if query.get("cursor") else ""
        scanned = _MAX_SCANNED if labels else limit
        names = self.records.names(folder, after, scanned + 1)
        page: list[dict[str, Any]] = []
        last = ""
        with ThreadPoolExecutor(_READERS) as readers:
            views = readers.map(lambda name: self._view(task_of_entry(name)), names[:scanned])
            for name, task in zip(names, views, strict=False):
                last = name
                if task is not None and labels.items() <= labels_of(task).items():
                    item = list_item(task_of_entry(name), task, self.runtime.name, self.documents.retention)
                    page.append(item)
                if len(page) == limit:
                    break
        more = bool(names) and last != names[-1]
        return {"jobs": page, **({"next_cursor": last} if more else {})}

    def _refuse_reuse(self, job_id: str, task: Task, key: str | None) -> None:
        """Raise `ComfyError` when the key was used, unless its task was stored but not published."""
        stored = self.records.read(request_key(job_id)) if key else None
        if stored is None:
            return
        same = stored.value["sha256"] == task.request["sha256"]
        if stored.value["published"] or not same:
            message = f"This Idempotency-Key was used for the job {job_id}: poll that job."
            raise invalid(message, "idempotency_key_reuse", job_id=job_id)

    def _task(self, job_id: str) -> TaskView:
        task = self._view(job_id) if is_job_id(job_id) else None
        if task is None:
            raise not_found("There is no such job.")
        return task

    def _view(self, job_id: str) -> TaskView | None:
        """The task of a job, if it is one of this owner."""
        task = read_task(job_id, self.records)
        request = task.request or {}
        return task if task.sender == self.owner and "nodes" in request else None


def _limit(query: Mapping[str, list[str]]) -> int:
    text = query.get("limit", [str(_DEFAULT_LIMIT)])[0]
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= _MAX_LIMIT:
        raise bad_request(f"`limit` must be a number from 1 to {_MAX_LIMIT}.")
    return int(text)


def _position(cursor: str) -> str:
    """The entry of the index after which a page begins. Raises `ComfyError`: 400."""
    if not re.fullmatch(ENTRY_PATTERN, cursor):
        raise bad_request("`cursor` is not one that this API gave.", "invalid_cursor")
    return cursor
