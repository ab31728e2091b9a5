"""Logs and metrics of the pods."""

from collections.abc import Iterator

from generator.config.rules.base import WARNING, Case, Finding, rule

# A key of `observability` -> the switch without which it changes nothing, and whether that is on by default.
NEEDS = {("logs", "retentionDays"): True, ("monitors", "labels"): False}


@rule("SD960", WARNING)
def observability_keys_have_an_effect(case: Case) -> Iterator[Finding]:
    """logs.retentionDays and monitors.labels change nothing while logs or monitors are not enabled."""
    for (part, key), default in NEEDS.items():
        settings = case.config.at("observability", part)
        node, switch = settings.at(key), settings.at("enabled").flag()
        if node.given and not (default if switch is None else switch):
            message = f"{key} has no effect: {part}.enabled is false"
            yield Finding(node, message, f"remove it, or set {part}.enabled: true", on_key=True)
