"""Rules that look at several keys or at facts, one module for each theme. `rules()` is the registry."""

from functools import cache
from importlib import import_module

from generator.config.rules.base import Rule

THEMES = (
    "spellings",
    "names",
    "models",
    "model_files",
    "custom_nodes",
    "scaling",
    "warm",
    "nodes",
    "capacity",
    "controllers",
    "quantities",
    "volumes",
    "mounts",
    "region",
    "buckets",
    "encryption",
    "versions",
    "images",
    "kubernetes",
    "environment",
    "network",
    "credentials",
    "arguments",
    "runtime_environment",
    "queues",
    "karpenter",
    "node_pools",
    "bottlerocket",
    "observability",
    "api",
    "existing_cluster",
)


@cache
def rules() -> tuple[Rule, ...]:
    """Every rule, by code."""
    modules = [import_module(f"generator.config.rules.{theme}") for theme in THEMES]
    rules = [value for module in modules for value in vars(module).values() if isinstance(value, Rule)]
    return tuple(sorted(rules, key=lambda rule: rule.code))
