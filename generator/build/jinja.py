"""The one Jinja environment of the CloudFormation and eksctl templates."""

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from generator import paths
from generator.build import yaml_text

if TYPE_CHECKING:
    from jinja2 import Environment


def render(template: str, **variables: Any) -> str:
    """The text of a template below cluster/, such as stack/stack.yaml.j2; a missing variable is an error."""
    return _environment().get_template(template).render(variables)


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - `validate` starts without it

    root = paths.root() / "cluster"
    environment = Environment(
        # The templates of stack/ include each other by their bare names.
        loader=FileSystemLoader([root, root / "stack"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 - YAML, not HTML; what a user wrote goes through one of the filters
        keep_trailing_newline=True,
    )
    environment.filters["json"] = lambda value: json.dumps(value, ensure_ascii=False)
    environment.filters["yaml"] = lambda data: yaml_text.dump(data).removesuffix("\n...\n").rstrip("\n")
    return environment
