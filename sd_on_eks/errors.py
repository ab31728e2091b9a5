"""The errors of the client. All are kinds of `ApiError`."""


class ApiError(Exception):
    """A call of the API did not do what it was asked to."""


class TaskRefusedError(ApiError):
    """The task is not valid, or the API refused it: sending it again would not help."""


class ApiUnreachableError(ApiError):
    """The API could not be reached, or refused access."""


class KeyRefusedError(ApiUnreachableError):
    """The API does not accept the key, or the URL names no stage of an API."""


class TooLongError(ApiError):
    """The task had not ended when the time was up. It continues."""


class TaskFailedError(ApiError):
    """The task failed or was cancelled. `code` is that of the API's table of errors, "" without one."""

    def __init__(self, task_id: str, status: str, error: str, code: str) -> None:
        super().__init__(f"{task_id} {status}: {error or 'no reason given'}")
        self.task_id, self.status, self.error, self.code = task_id, status, error, code


class WebhookVerificationError(Exception):
    """A webhook does not come from the API, or is too old."""
