"""What the schema says of a config, in words: place, fault and cure for each of jsonschema's errors."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from generator.config.document import ConfigDocument, Path, dotted
from generator.config.node import Schema, resolved, top, walk
from generator.errors import Problem, Severity

NETWORK_IS_FIXED = (
    "the network is fixed and cannot be set: VPC 10.0.0.0/16, three availability zones, three public and "
    "three private /19 subnets, three NAT gateways, one internet gateway"
)
# Names, in lower case and without `-` and `_`, by which people try to set the network.
NETWORK_KEYS = frozenset(
    {"vpc", "vpcid", "vpccidr", "vpcname", "cidr", "cidrblock", "network", "networking", "subnet", "subnets"}
    | {"subnetids", "publicsubnets", "privatesubnets", "privatecluster", "availabilityzone", "azs", "zones"}
    | {"availabilityzones", "maxazs", "nat", "natgateway", "natgateways", "internetgateway", "igw", "egress"}
    | {"securitygroup", "securitygroups", "securitygroupids", "routetable", "routetables", "elasticip", "eip"}
    | {"elasticips", "eips", "clusterendpoints"}
)

MISSING = "SD102"

RULES: Mapping[str, tuple[Severity, str]] = {
    "SD101": (Severity.ERROR, "A key that the config does not know."),
    MISSING: (Severity.ERROR, "A key that must be there is missing."),
    "SD103": (Severity.ERROR, "A value of the wrong type."),
    "SD104": (Severity.ERROR, "A value that is none of those allowed."),
    "SD105": (Severity.ERROR, "A text of the wrong form."),
    "SD106": (Severity.ERROR, "A number that is too small or too large."),
    "SD107": (Severity.ERROR, "A list or a text that is too short or too long, or a list with doubles."),
    "SD108": (Severity.WARNING, "A key of the reference system that has no effect here."),
    "SD109": (Severity.ERROR, "A key that tries to set the network: it is fixed."),
    "SD110": (Severity.ERROR, "YAML reads the value as a number, a boolean or a date where text is wanted."),
    "SD111": (Severity.WARNING, "An older spelling of a key."),
}

TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "keys and values",
    "null": "null",
}


# Keyword of JSON Schema -> code, fault, cure.
_MEASURES = {
    "minimum": ("SD106", "{value} is too small", "{rule} is the least{such}"),
    "maximum": ("SD106", "{value} is too large", "{rule} is the most{such}"),
    "minItems": ("SD107", "the list is empty", "name at least one{such}"),
    "maxItems": ("SD107", "the list has {count} items", "{rule} are the most"),
    "uniqueItems": ("SD107", "the list names something twice", "keep one of each"),
    "minLength": ("SD107", "the text is empty", "give it a value{such}"),
    "maxLength": ("SD107", "the text has {count} characters", "{rule} are the most: save {excess}"),
}


def problems(document: ConfigDocument, schema: Schema) -> Iterator[Problem]:
    """Every way in which the data is not what the schema says, and every key without effect."""
    from jsonschema import Draft7Validator, validators  # noqa: PLC0415 - a file that is no YAML never needs it

    extend: Any = validators.extend  # which says nothing of its types
    for error in extend(Draft7Validator, {"pattern": _pattern})(schema).iter_errors(document.data):
        yield from _problems(error, document, schema)
    yield from _without_effect(document, schema)


def _pattern(validator: Any, pattern: str, instance: Any, _: Schema) -> Iterator[Any]:
    """As jsonschema's own, with an end that is the end: Python's `$` lets a last line break through."""
    from jsonschema import ValidationError  # noqa: PLC0415 - as above

    if validator.is_type(instance, "string") and not re.search(re.sub(r"\$$", r"\\Z", pattern), instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _problems(error: Any, document: ConfigDocument, schema: Schema) -> Iterator[Problem]:
    """One error of jsonschema's, as one problem for each key that it is about."""
    path: Path = tuple(error.absolute_path)
    if "propertyNames" in error.absolute_schema_path:
        yield _at_key(document, (*path, error.instance), "SD105", *_of_pattern(error.instance, error.schema))
    elif error.validator == "additionalProperties":
        for key in sorted(set(error.instance) - set(error.schema["properties"])):
            yield _at_key(document, (*path, key), *_unknown(key, error.schema, schema))
    elif error.validator == "required":
        # jsonschema reports each missing key on its own, but names it only inside its message.
        missing = next(key for key in error.validator_value if f"'{key}' is a required" in error.message)
        known = resolved(error.schema["properties"][missing], schema)
        help = f"add it{_such_as(known)} ({_sentence(known)})"
        yield _at_key(document, path, MISSING, f"{missing!r} is missing", help)
    else:
        line, column = document.value(path)
        code, what, help = _of_value(error, document.raw(path))
        yield Problem(document.source, line, column, dotted(path), code, what, help)


def _at_key(document: ConfigDocument, path: Path, code: str, what: str, help: str) -> Problem:
    line, column = document.key(path)
    return Problem(document.source, line, column, dotted(path), code, what, help, _severity(code))


def _severity(code: str) -> Severity:
    return RULES[code][0]


def _unknown(key: str, here: Schema, root: Schema) -> tuple[str, str, str]:
    """Code, fault and cure for a key that is not known at its place."""
    properties = here["properties"]
    close = nearest(key, properties)
    if close:
        return "SD101", f"unknown key {key!r}", f"did you mean {close!r}?"
    if re.sub(r"[-_]", "", key).lower() in NETWORK_KEYS:
        return "SD109", f"unknown key {key!r}: {NETWORK_IS_FIXED}", "remove the key"
    if homes := [home for home in _homes(key, root, root) if home]:
        return "SD101", f"unknown key {key!r} at this place", f"it belongs to {' or '.join(homes)}"
    return "SD101", f"unknown key {key!r}", f"remove it, or use one of: {', '.join(sorted(properties))}"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` is most likely a slip of."""
    lower = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower(), lower, 1, 0.75)
    return lower[found[0]] if found else None


def _homes(key: str, schema: Schema, root: Schema, above: str = "", depth: int = 0) -> Iterator[str]:
    """Where in the config a key is known."""
    for name, child in schema.get("properties", {}).items():
        below = resolved(child, root)
        if name == key and "x-no-effect" not in below:
            yield above
        if depth < 8:
            yield from _homes(key, below, root, f"{above}.{name}" if above else name, depth + 1)
    if "items" in schema and depth < 8:
        yield from _homes(key, resolved(schema["items"], root), root, f"{above}[]", depth + 1)


def _of_value(error: Any, raw: str) -> tuple[str, str, str]:
    """Code, fault and cure for a value."""
    value, rule, here = error.instance, error.validator_value, error.schema
    if error.validator == "type":
        return _of_type(value, raw, rule if isinstance(rule, list) else [rule], here)
    if error.validator == "enum":
        return "SD104", f"{value!r} is none of {', '.join(map(str, rule))}", _of_enum(value, rule)
    if error.validator == "pattern":
        return "SD105", *_of_pattern(value, here)
    code, what, help = _MEASURES[error.validator]
    count = len(value) if isinstance(value, str | list) else 0
    excess = count - rule if isinstance(rule, int) else 0
    words = {"value": value, "count": count, "rule": rule, "excess": excess, "such": _such_as(here)}
    return code, what.format(**words), help.format(**words)


def _of_type(value: Any, raw: str, wanted: list[str], here: Schema) -> tuple[str, str, str]:
    kinds = " or ".join(TYPES[kind] for kind in wanted)
    if value is None:
        return "SD103", f"no value instead of {kinds}", f"give it a value{_such_as(here)}, or remove the key"
    if "string" in wanted and raw and not isinstance(value, str):
        what = f"YAML reads {raw} as {_seen(value)}, not as text"
        return "SD110", what, f'write it in quotes: "{raw}"'
    if isinstance(value, str) and wanted[0] in ("integer", "number", "boolean"):
        if re.fullmatch(r"-?[0-9.]+|true|false", value):
            return "SD103", f"text instead of {kinds}", f"remove the quotes: {value}"
        return "SD103", f"the text {value!r} instead of {kinds}", f"write {kinds}{_such_as(here)}"
    return "SD103", f"{_seen(value)} instead of {kinds}", f"write {kinds}{_such_as(here)}"


def _seen(value: Any) -> str:
    """What YAML made of a value."""
    kinds: dict[type, str] = {
        bool: "true" if value is True else "false",
        int: "a whole number",
        float: "a number",
        str: "text",
        list: "a list",
        dict: "keys and values",
    }
    return kinds.get(type(value), "a date")


def _of_enum(value: Any, allowed: list[Any]) -> str:
    close = nearest(str(value), map(str, allowed))
    return f"did you mean {close!r}?" if close else "use one of them"


def _of_pattern(value: str, here: Schema) -> tuple[str, str]:
    plain = re.sub(r"[_ ]+", "-", value.lower())
    close = plain != value and re.search(here["pattern"], plain)
    return (
        f"{value!r} is not {here['x-says']}",
        f"did you mean {plain!r}?" if close else f"write {here['x-says']}",
    )


def _sentence(here: Schema) -> str:
    """The first sentence of a description, in the middle of another."""
    return str(here["description"]).partition(". ")[0].rstrip(".")


def _such_as(here: Schema) -> str:
    """An example, short enough for a line."""
    examples = [example for example in here.get("examples", []) if not isinstance(example, dict | list)]
    return f", such as {examples[0]}" if examples else ""


def _without_effect(document: ConfigDocument, schema: Schema) -> Iterator[Problem]:
    """Keys that are accepted only so that configs of the reference system stay as they are."""
    for place in walk(top(document, schema)):
        if reason := place.schema.get("x-no-effect"):
            what = f"{place.key!r} has no effect: {reason}"
            yield _at_key(document, place.path, "SD108", what, "remove the key")
        if new := place.schema.get("x-old-spelling"):
            what = f"{place.key!r} is an older spelling of {new!r}"
            yield _at_key(document, place.path, "SD111", what, f"rename it to {new!r}")
