"""The function's code as it is deployed: one file, made of api/, in a template."""

import ast
import json
import sys
from collections import Counter
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from queue_agent.task import protocol

from api import openapi, schema, settings, validation
from generator import paths, yaml_loader
from generator.build import api_function, api_gateway, functions, stack
from generator.solution import names
from tests.api.conftest import Solve

MODULES = api_function.read(paths.root())
WEBHOOK_MODULES = api_function.read(paths.root(), api_function.WEBHOOK_FILES)
OF_THE_AGENT = {
    f"agent/queue_agent/task/{name}.py"
    for name in (
        "protocol",
        "public_addresses",
        "url_rules",
        "output_rules",
        "workflow",
        "sdwebui",
        "invokeai",
    )
}
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-lambda-function-code.html
INLINE_CODE_MAX = 4 * 1024 * 1024


def top_level_names(text: str) -> list[str]:
    names_: list[str] = []
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names_.append(node.name)
        elif isinstance(node, ast.Assign):
            names_ += [target.id for target in node.targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names_.append(node.target.id)
    return names_


def test_every_module_of_api_is_deployed() -> None:
    root = paths.root()
    files = {str(path.relative_to(root)) for path in (root / "api").glob("*.py")} - {"api/__init__.py"}

    assert {*MODULES, *WEBHOOK_MODULES, functions.AUTHORIZER_FILE} == files | OF_THE_AGENT


@pytest.mark.parametrize("modules", [MODULES, WEBHOOK_MODULES])
def test_no_two_modules_define_the_same_name(modules: dict[str, str]) -> None:
    counted = Counter(name for text in modules.values() for name in top_level_names(text))

    assert [name for name, count in counted.items() if count > 1] == []


@pytest.mark.parametrize("modules", [MODULES, WEBHOOK_MODULES])
def test_the_joined_file_imports_nothing_of_ours_and_little_of_others(
    modules: dict[str, str], solve: Solve
) -> None:
    joined = api_function.joined(modules, api_function.settings(solve("minimal")))

    imported = {
        ((node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name).split(".")[0]
        for node in ast.walk(ast.parse(joined))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert not {"api", "queue_agent"} & imported
    assert imported <= {*sys.stdlib_module_names, "boto3", "botocore"}


def test_a_thousand_runtimes_fit_into_the_function() -> None:
    many = {f"runtime-{n}": {"type": "sdwebui", "bucket": "b" * 63, "model": "m" * 40} for n in range(1000)}
    text = json.dumps({"stack": "s", "topic": "t", "runtimes": many})

    assert len(api_function.joined(MODULES, text)) < INLINE_CODE_MAX / 10


def test_text_of_the_config_stays_text_in_the_code(solve: Solve) -> None:
    odd = 'it\'s "odd"\\ \n and 大.safetensors'
    joined = api_function.joined(MODULES, json.dumps({"model": odd}))

    [last] = [line for line in joined.splitlines() if line.startswith("handler = ")]
    assert json.loads(ast.literal_eval(last.removeprefix("handler = start(").removesuffix(")"))) == {
        "model": odd
    }


def test_the_settings_of_very_many_runtimes_are_compressed() -> None:
    values = {f"runtime-{n}": {"type": "sdwebui", "bucket": "b" * 63, "n": n} for n in range(1000)}
    text = json.dumps(values)

    lines = api_function.joined({}, text)

    read: dict[str, Any] = {"start": json.loads}
    exec(lines, read)
    assert read["handler"] == values
    assert len(lines) < len(text) / 5


def test_api_gateway_asks_of_a_body_no_more_than_the_function_does() -> None:
    bodies = {"V1alpha1Body": schema.legacy_task_schema(()), "V1alpha2Body": schema.task_schema(None, ())}

    for model in api_gateway.MODELS:
        body = bodies[model.id]
        assert {key: body[key] for key in model.schema} == model.schema


def test_both_know_the_same_routes_and_verbs() -> None:
    from api.routes import VERBS

    parts = {resource.id: resource for resource in api_gateway.RESOURCES}

    def path(name: str) -> str:
        resource = parts[name]
        return (path(resource.parent) if resource.parent else "") + "/" + resource.part

    assert {path(method.resource) for method in api_gateway.METHODS} == set(VERBS)
    runtimes = {"c": settings.Runtime("c", "comfyui", "b", None)}
    described = openapi.document(settings.Settings("s", "t", runtimes), "prod")["paths"]
    verbs_of: dict[str, set[str]] = {}
    for route, verbs in described.items():
        # One resource of API Gateway takes all that is below a runtime.
        resource = "/comfy/{runtime}/{proxy+}" if route.startswith("/comfy/") else route
        verbs_of.setdefault(resource, set()).update(verb.upper() for verb in verbs if verb != "parameters")
    assert verbs_of == {route: set(verbs) for route, verbs in VERBS.items()}


def keywords(part: Any) -> set[str]:
    if not isinstance(part, dict):
        return set()
    inner = [*part.get("properties", {}).values()]
    return set(part).union(*map(keywords, inner))


# The keywords that validation.schema_errors understands; `description` is for people, and what `anyOf` says
# is checked by `output_errors`.
KEYWORDS = {
    *(
        "additionalProperties",
        "anyOf",
        "description",
        "enum",
        "exclusiveMinimum",
        "maximum",
        "maxLength",
        "minLength",
    ),
    *("minProperties", "minimum", "pattern", "properties", "required", "type"),
}
KINDS: list[str | None] = [None, *protocol.RUNTIME_TYPES]


@pytest.mark.parametrize("kind", KINDS)
def test_the_checks_know_every_keyword_that_the_schema_uses(kind: str | None) -> None:
    assert keywords(schema.task_schema(kind, ["a"])) <= KEYWORDS


def test_the_checks_know_every_keyword_of_v1alpha1() -> None:
    assert keywords(schema.legacy_task_schema(["m"])) <= KEYWORDS


TEXT = st.one_of(st.sampled_from(["a", "text-to-image", "m", "x/y", "..", "", "a\n"]), st.text(max_size=5))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
METADATA = st.dictionaries(st.sampled_from(["id", "runtime", "tasktype", "prefix", "context"]), VALUES)
BODIES = st.one_of(
    VALUES,
    st.fixed_dictionaries({"task": st.fixed_dictionaries({"metadata": METADATA, "content": VALUES})}),
)


@given(body=BODIES, kind=st.sampled_from(KINDS))
def test_the_checks_agree_with_jsonschema(body: Any, kind: str | None) -> None:
    body_schema = schema.task_schema(kind, ["a", "b"])
    # Python's `$` lets a line break pass at the end, which ECMA-262, and so JSON Schema, does not.
    strict = json.loads(json.dumps(body_schema).replace('$"', '\\\\Z"'))

    valid = jsonschema.Draft202012Validator(strict).is_valid(body)

    assert (not list(validation.schema_errors(body, body_schema, ""))) is valid


def test_a_runtime_is_named_in_a_path_as_in_the_config() -> None:
    config = json.loads((paths.root() / "values-schema.json").read_text())

    assert (
        config["definitions"]["modelsRuntime"]["properties"]["name"]["pattern"] == schema.RUNTIME_NAME_PATTERN
    )


def test_the_template_holds_the_code_unchanged(solve: Solve) -> None:
    solution = solve("three-runtimes")
    template = yaml_loader.load(stack.files(solution)["stack.yaml"])

    code = template["Resources"]["ApiFunction"]["Properties"]["Code"]["ZipFile"]

    assert code.rstrip() == api_function.joined(MODULES, api_function.settings(solution)).rstrip()
    assert names.api(solution.stack) == template["Resources"]["ApiFunction"]["Properties"]["FunctionName"]
    authorizer = template["Resources"]["ApiAuthorizerFunction"]["Properties"]["Code"]["ZipFile"]
    assert authorizer == (paths.root() / functions.AUTHORIZER_FILE).read_text("utf-8")
