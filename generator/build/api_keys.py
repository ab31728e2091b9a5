"""The API keys of the stack and their usage plans: the solution's own key, then those of `APIGW.keys`."""

import json
from dataclasses import dataclass

from generator.build.resources import logical_id, tag_list
from generator.solution import names
from generator.solution.http_api import ApiKey
from generator.solution.model import Solution


@dataclass(frozen=True)
class KeyResources:
    """A key with its usage plan. `suffix`: the end of their logical IDs; `name`: of both in API Gateway."""

    suffix: str
    name: str
    limits: ApiKey
    tags: list[dict[str, str]]


def resources(solution: Solution) -> list[KeyResources]:
    """Every key of the stack."""
    api = solution.api
    own = ApiKey(names.OWN_API_KEY, api.rate_limit, api.burst_limit)
    return [_resources(solution, key) for key in (own, *api.keys)]


def names_by_id(solution: Solution) -> dict[str, str]:
    """The names of the keys by their ids, as JSON, for Fn::Sub: the ids are API Gateway's."""
    return {
        "Fn::Sub": json.dumps({f"${{ApiKey{key.suffix}}}": key.limits.name for key in resources(solution)})
    }


def _resources(solution: Solution, key: ApiKey) -> KeyResources:
    own = key.name == names.OWN_API_KEY
    return KeyResources(
        suffix="" if own else logical_id(key.name),
        name=names.api(solution.stack) if own else names.api_key(solution.stack, key.name),
        limits=key,
        tags=tag_list({**solution.resource_tags(), names.API_KEY_TAG: key.name}),
    )
