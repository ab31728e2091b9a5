"""Checks a config against the schema: a problem with position, message and help for each error."""

import difflib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from generator.config import hints, keywords
from generator.config.document import ConfigDocument, Path, dotted
from generator.config.node import Schema, resolved, top, walk
from generator.errors import Problem, Severity

NETWORK_IS_FIXED = (
    "the network is fixed and cannot be set: VPC 10.0.0.0/16, three availability zones, three public and "
    "three private /19 subnets, three NAT gateways, one internet gateway"
)
# Keys, in lowercase and without `-` and `_`, with which users of other tools set the network.
NETWORK_KEYS = frozenset(
    {"vpc", "vpcid", "vpccidr", "vpcname", "cidr", "cidrblock", "network", "networking", "subnet", "subnets"}
    | {"subnetids", "publicsubnets", "privatesubnets", "privatecluster", "availabilityzone", "azs", "zones"}
    | {"availabilityzones", "maxazs", "nat", "natgateway", "natgateways", "internetgateway", "igw", "egress"}
    | {"securitygroup", "securitygroups", "securitygroupids", "routetable", "routetables", "elasticip", "eip"}
    | {"elasticips", "eips", "clusterendpoints"}
)

MISSING = "SD102"

RULES: Mapping[str, tuple[Severity, str]] = {
    "SD101": (Severity.ERROR, "An unknown key."),
    MISSING: (Severity.ERROR, "A required key is missing."),
    "SD103": (Severity.ERROR, "A value of the wrong type."),
    "SD104": (Severity.ERROR, "A value that is not one of the allowed values."),
    "SD105": (Severity.ERROR, "A string with the wrong format."),
    "SD106": (Severity.ERROR, "A number below the minimum or above the maximum."),
    "SD107": (
        Severity.ERROR,
        "A list, mapping or string that is too short or too long, or a list with duplicates.",
    ),
    "SD108": (Severity.WARNING, "A key of the reference system that has no effect here."),
    "SD109": (Severity.ERROR, "A key that would set the network, which is fixed."),
    "SD110": (
        Severity.ERROR,
        "YAML reads the value as a number, boolean or date, but it must be a string.",
    ),
    "SD111": (Severity.WARNING, "An older spelling of a key."),
}

# Types of JSON Schema, as YAML names them.
TYPES = {
    "string": "string",
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
    "array": "list",
    "object": "mapping",
    "null": "null",
}


# Keyword of JSON Schema -> code, message, help.
_LIMITS = {
    "minimum": ("SD106", "{value} is too small", "the minimum is {rule}{such}"),
    "maximum": ("SD106", "{value} is too large", "the maximum is {rule}{such}"),
    "minItems": ("SD107", "the list is empty", "add at least one item{such}"),
    "minProperties": ("SD107", "the mapping is empty", "add a key{such}"),
    "maxProperties": ("SD107", "{count} keys; the maximum is {rule}", "remove {excess}"),
    "maxItems": ("SD107", "the list has {count} items; the maximum is {rule}", "remove {excess}"),
    "uniqueItems": ("SD107", "the list contains duplicates", "remove the duplicates"),
    "minLength": ("SD107", "the value is empty", "set a value{such}"),
    "maxLength": ("SD107", "{count} characters; the maximum is {rule}", "shorten it by {excess}"),
}


def problems(document: ConfigDocument, schema: Schema) -> Iterator[Problem]:
    """Every error against the schema, and every key without effect."""
    for error in keywords.errors(document.data, schema):
        yield _problem(error, document, schema)
    yield from _without_effect(document, schema)


def _problem(error: Any, document: ConfigDocument, schema: Schema) -> Problem:
    """One error of jsonschema as a problem."""
    path: Path = tuple(error.absolute_path)
    if "propertyNames" in error.absolute_schema_path:
        return _at_key(document, (*path, error.instance), "SD105", *_of_pattern(error.instance, error.schema))
    if error.validator == "additionalProperties":
        key = error.validator_value
        return _at_key(document, (*path, key), *_unknown(key, error.schema, schema))
    if error.validator == "required":
        key = error.validator_value
        missing = resolved(error.schema["properties"][key], schema)
        help = f"add it{_such_as(missing)} ({_sentence(missing)})"
        return _at_key(document, path, MISSING, f"{key!r} is missing", help)
    line, column = document.value(path)
    code, message, help = _of_value(error, document.raw(path))
    return Problem(document.source, line, column, dotted(path), code, message, help)


def _at_key(document: ConfigDocument, path: Path, code: str, message: str, help: str) -> Problem:
    line, column = document.key(path)
    return Problem(document.source, line, column, dotted(path), code, message, help, _severity(code))


def _severity(code: str) -> Severity:
    return RULES[code][0]


def _unknown(key: str, here: Schema, root: Schema) -> tuple[str, str, str]:
    """Code, message and help for an unknown key."""
    properties = here["properties"]
    close = nearest(key, properties)
    if close:
        return "SD101", f"unknown key {key!r}", f"did you mean {close!r}?"
    if re.sub(r"[-_]", "", key).lower() in NETWORK_KEYS:
        return "SD109", f"unknown key {key!r}: {NETWORK_IS_FIXED}", "remove the key"
    if parents := [path for path in _parents(key, root, root) if path]:
        return "SD101", f"unknown key {key!r} here", f"move it to {' or '.join(parents)}"
    return "SD101", f"unknown key {key!r}", f"remove it, or use one of: {', '.join(sorted(properties))}"


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that `word` is most likely a typo of; None when none is similar."""
    by_lowercase = {name.lower(): name for name in candidates}
    plain = unicodedata.normalize("NFKC", word).lower()
    matches = difflib.get_close_matches(plain, by_lowercase, 1, 0.75)
    return by_lowercase[matches[0]] if matches else None


def _parents(key: str, schema: Schema, root: Schema, above: str = "", depth: int = 0) -> Iterator[str]:
    """The paths in the config below which a key exists."""
    for name, child in schema.get("properties", {}).items():
        below = resolved(child, root)
        if name == key and "x-no-effect" not in below:
            yield above
        if depth < 8:
            yield from _parents(key, below, root, f"{above}.{name}" if above else name, depth + 1)
    if "items" in schema and depth < 8:
        yield from _parents(key, resolved(schema["items"], root), root, f"{above}[]", depth + 1)


def _of_value(error: Any, raw: str) -> tuple[str, str, str]:
    """Code, message and help for a value."""
    value, here = error.instance, error.schema
    code, message, help = _of_keyword(error, raw)
    if not isinstance(value, str):
        return code, message, help
    return code, message, hints.of_value(value, lambda fixed: keywords.is_valid(fixed, here)) or help


def _of_keyword(error: Any, raw: str) -> tuple[str, str, str]:
    """Code, message and help by the keyword of the schema that rejects a value."""
    value, rule, here = error.instance, error.validator_value, error.schema
    if error.validator == "type":
        return _of_type(value, raw, rule if isinstance(rule, list) else [rule], here)
    if error.validator == "enum":
        return "SD104", f"{value!r} is not one of: {', '.join(map(str, rule))}", _of_enum(value, rule)
    if error.validator == "pattern":
        return "SD105", *_of_pattern(value, here)
    code, message, help = _LIMITS[error.validator]
    count = len(value) if isinstance(value, str | list | dict) else 0
    excess = count - rule if isinstance(rule, int) else 0
    words = {"value": value, "count": count, "rule": rule, "excess": excess, "such": _such_as(here)}
    return code, message.format(**words), help.format(**words)


def _of_type(value: Any, raw: str, types: list[str], here: Schema) -> tuple[str, str, str]:
    expected = " or ".join(_with_article(TYPES[kind]) for kind in types)
    kinds = " or ".join(TYPES[kind] for kind in types)
    if value is None:
        return (
            "SD103",
            f"the value is empty; expected {expected}",
            f"set a value{_such_as(here)}, or remove the key",
        )
    if "string" in types and raw and not isinstance(value, str):
        message = f"YAML reads {raw} as {_yaml_type(value)}, not as a string"
        return "SD110", message, _of_text(raw, here)
    if isinstance(value, str) and re.fullmatch(r"-?[0-9.]+|true|false", value):
        return "SD103", f"expected {expected}, got a string", f"remove the quotes: {value}"
    got = repr(value) if isinstance(value, str) else _yaml_type(value)
    help = hints.of_type(value, types) or f"set a value of type {kinds}{_such_as(here)}"
    return "SD103", f"expected {expected}, got {got}", help


def _of_text(raw: str, here: Schema) -> str:
    """What to write in place of a value that YAML does not read as text."""
    if keywords.is_valid(raw, here):
        return f'write it in quotes: "{raw}"'
    if "enum" in here:
        return f"write one of: {', '.join(map(str, here['enum']))}"
    return f"write {here['x-expected']}" if "x-expected" in here else f"set a string{_such_as(here)}"


def _with_article(kind: str) -> str:
    return kind if kind == "null" else f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def _yaml_type(value: Any) -> str:
    """The type that YAML gives to a value."""
    kinds: dict[type, str] = {
        bool: "true" if value is True else "false",
        int: "an integer",
        float: "a number",
        str: "a string",
        list: "a list",
        dict: "a mapping",
    }
    return kinds.get(type(value), "a date")


def _of_enum(value: Any, allowed: list[Any]) -> str:
    close = nearest(str(value), map(str, allowed))
    return f"did you mean {close!r}?" if close else "use one of them"


def _of_pattern(value: str, here: Schema) -> tuple[str, str]:
    expected, plain = here["x-expected"], re.sub(r"[_ ]+", "-", value.lower())
    similar = plain != value and re.search(here["pattern"], plain)
    help = f"did you mean {plain!r}? Write {expected}" if similar else f"write {expected}"
    return f"invalid value {value!r}", help


def _sentence(here: Schema) -> str:
    """The first sentence of a description, without its period."""
    return str(here["description"]).partition(". ")[0].rstrip(".")


def _such_as(here: Schema) -> str:
    """The first short example, as the end of a sentence."""
    examples = [example for example in here.get("examples", []) if not isinstance(example, dict | list)]
    return f", such as {_as_yaml(examples[0])}" if examples else ""


def _as_yaml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _without_effect(document: ConfigDocument, schema: Schema) -> Iterator[Problem]:
    """Keys that are accepted only for compatibility with the reference system's configs."""
    for node in walk(top(document, schema)):
        if reason := node.schema.get("x-no-effect"):
            message = f"{node.key!r} has no effect: {reason}"
            yield _at_key(document, node.path, "SD108", message, "remove the key")
        if new := node.schema.get("x-old-spelling"):
            message = f"{node.key!r} is an older spelling of {new!r}"
            yield _at_key(document, node.path, "SD111", message, f"rename it to {new!r}")
