"""The deployed HTTP API: its URL and the keys that open it."""

from dataclasses import dataclass

from generator.deploy import keys, stacks
from generator.deploy.job import Job, RefusedError
from generator.errors import AwsError
from generator.solution import names
from sd_on_eks import Client


@dataclass(frozen=True)
class Endpoint:
    """The URL of the API with its stage, and the API's id."""

    url: str

    @property
    def api_id(self) -> str:
        """The id that API Gateway gave to the API: the first part of its host."""
        return self.url.partition("://")[2].partition(".")[0]


def endpoint(job: Job) -> Endpoint:
    """Where the API of the stack is. Raises AwsError."""
    stack = stacks.find(job, job.stack)
    if stack is None or "ApiUrl" not in stack.outputs:
        raise AwsError(f"stack {job.stack} does not exist or has no ApiUrl: `make cluster` creates it")
    return Endpoint(stack.outputs["ApiUrl"])


def client(job: Job, name: str = names.OWN_API_KEY) -> Client:
    """A client of the API with the newest value of a key. Raises AwsError and RefusedError."""
    url = endpoint(job).url
    key = keys.find(job, name)
    if key is None:
        raise RefusedError(f"there is no API key {name!r}: `generator keys list` shows those that there are")
    active = [value for value in key.values if value.active]
    if not active:
        raise RefusedError(
            f"the API key {name!r} has no valid value: `generator keys rotate` makes a new one"
        )
    return Client(url, keys.secret(job, active[-1].id))
