"""The HTTP API: its keys, and the web pages that may call it."""

from collections.abc import Iterator

from generator.config.node import ConfigNode
from generator.config.rules.base import Case, Finding, rule
from generator.solution import names

DEFAULT_PORTS = {"http": 80, "https": 443}


@rule("SD975")
def api_key_names_are_unique(case: Case) -> Iterator[Finding]:
    """Names of API keys must be unique, and `default` is the solution's own key."""
    seen: dict[str, ConfigNode] = {}
    for key in case.config.at("APIGW", "keys").items():
        name = key.at("name").text()
        if name == names.OWN_API_KEY:
            yield Finding(
                key.at("name"), "`default` is the name of the solution's own key", "choose another name"
            )
        elif name in seen:
            line = key.document.key(seen[name].path)[0]
            message = f"the key on line {line} already has the name {name!r}"
            yield Finding(key.at("name"), message, "choose another name: tasks belong to the name of a key")
        elif name:
            seen[name] = key


@rule("SD976")
def api_keys_stay_within_the_limits_of_the_api(case: Case) -> Iterator[Finding]:
    """A key's rate and burst must not exceed those of the API, which hold for all keys together."""
    for key in case.config.at("APIGW", "keys").items():
        for name in ("rateLimit", "burstLimit"):
            value, limit = key.at("throttle", name), case.config.at("APIGW", "throttle", name).whole()
            if limit is not None and (value.whole() or 0) > limit:
                message = f"{value.value} is above the {name} of the whole API, {limit}"
                help = f"use at most {limit}, or raise `APIGW.throttle.{name}`"
                yield Finding(value, message, help)


@rule("SD977")
def no_origin_stands_next_to_all(case: Case) -> Iterator[Finding]:
    """`*` allows every origin: no other may stand next to it."""
    origins = case.config.at("APIGW", "cors", "allowOrigins")
    if "*" in origins.words():
        for item in origins.items():
            if (origin := item.text()) and origin != "*":
                message = f"`*` in the same list allows every origin, {origin} as well"
                yield Finding(item, message, "remove it, or remove `*` to allow only those that are listed")


@rule("SD978")
def origins_have_the_form_that_browsers_send(case: Case) -> Iterator[Finding]:
    """Browsers leave the default port out of an origin: https://app.example.com:443 never matches."""
    for item in case.config.at("APIGW", "cors", "allowOrigins").items():
        scheme, _, host = (item.text() or "").partition("://")
        name, _, port = host.rpartition(":")
        if name and not host.endswith("]") and port.isdigit():
            yield from _port_findings(item, scheme, name, int(port))


def _port_findings(item: ConfigNode, scheme: str, name: str, port: int) -> Iterator[Finding]:
    if DEFAULT_PORTS.get(scheme) == port:
        message = f"{port} is the default port of {scheme}, which browsers leave out"
        yield Finding(item, message, f"write {scheme}://{name}")
    elif not 0 < port < 65_536:
        yield Finding(item, f"{port} is not a port", "use a number from 1 to 65535")
