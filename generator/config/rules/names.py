"""Derived names: unique, short enough, valid in Kubernetes and AWS."""

from collections.abc import Iterator

from generator.config.node import ConfigNode
from generator.config.rules.base import Case, Finding, rule
from generator.facts import s3
from generator.solution import names


@rule("SD201")
def runtime_names_are_unique(case: Case) -> Iterator[Finding]:
    """Runtime names must be unique, even in different namespaces: queue and bucket are named after them."""
    seen: dict[str, ConfigNode] = {}
    for runtime in case.runtimes:
        name = runtime.at("name").text()
        if name in seen:
            line = runtime.document.key(seen[name].path)[0]
            message = f"the runtime on line {line} already has the name {name!r}"
            help = "choose another name: queue, bucket and role are named after it"
            yield Finding(runtime.at("name"), message, help)
        elif name:
            seen[name] = runtime


@rule("SD202")
def derived_names_are_short_enough(case: Case) -> Iterator[Finding]:
    """Names derived from stackName and a runtime's name must fit the limits of AWS and Kubernetes."""
    for runtime in case.runtimes:
        name, stack = runtime.at("name").text(), case.stack
        if not name or not stack:
            continue
        cache = runtime.at("extraValues", "runtime", "models", "cacheSize").text() or ""
        excess, thing, derived, limit = max(_lengths(stack, name, cache, case))
        if excess > 0:
            message = (
                f"the name of {thing} would be {derived!r}: {len(derived)} characters; the maximum is {limit}"
            )
            yield Finding(runtime.at("name"), message, f"shorten `name` or `stackName` by {excess}")


def _lengths(stack: str, runtime: str, cache: str, case: Case) -> list[tuple[int, str, str, int]]:
    """For each derived name: the characters above the limit, what it names, the name, the limit."""
    account, region = case.context.account or "0" * 12, case.context.region or ""
    volume, claim = names.persistent_volume(stack, runtime), names.volume_claim(runtime)
    if cache:
        volume, claim = names.cached_volume(stack, cache, "0" * 8), names.cached_claim(cache, "0" * 8)
    rows = [
        ("the dead-letter queue", names.dead_letter_queue(stack, runtime), names.SQS_NAME_MAX),
        ("the output bucket", names.output_bucket(stack, runtime, account, region), names.S3_NAME_MAX),
        ("the IAM role", names.runtime_role(stack, runtime), names.IAM_ROLE_NAME_MAX),
        ("the PersistentVolume", volume, names.KUBERNETES_NAME_MAX),
        ("the volume claim", claim, names.KUBERNETES_NAME_MAX),
    ]
    return [(len(name) - limit, thing, name, limit) for thing, name, limit in rows]


@rule("SD203")
def derived_names_are_unique(case: Case) -> Iterator[Finding]:
    """A runtime's queue, files and paths must not have the names of another part of the solution."""
    stack = case.stack or "stack"
    reserved = {
        names.interruption_queue(stack): "the queue of spot interruptions",
        names.webhooks(stack): "the queue of webhooks",
        names.webhooks_dead_letter(stack): "the dead-letter queue of webhooks",
    }
    for runtime in case.runtimes:
        if name := runtime.at("name").text():
            reserved[names.dead_letter_queue(stack, name)] = f"the dead-letter queue of runtime {name!r}"
            if runtime.at("priorityQueue").value:
                high = names.high_priority_queue(stack, name)
                reserved[high] = f"the queue of tasks of high priority of runtime {name!r}"
    for runtime in case.runtimes:
        name = runtime.at("name").text()
        if name == "platform":
            message = "values/platform.yaml holds the values of the controllers"
            yield Finding(runtime.at("name"), message, "choose another name")
        elif name == names.UPLOADS_PATH_PART:
            message = f"/v1alpha2/{name} is where the HTTP API takes uploads"
            yield Finding(runtime.at("name"), message, "choose another name")
        elif name and (owner := reserved.get(names.queue(stack, name))):
            message = f"the queue {names.queue(stack, name)!r} would also be {owner}"
            yield Finding(runtime.at("name"), message, "choose another name")


@rule("SD204")
def namespaces_are_not_reserved(case: Case) -> Iterator[Finding]:
    """Namespaces that start with kube- are reserved by Kubernetes."""
    for runtime in case.runtimes:
        namespace = runtime.at("namespace")
        if (namespace.text() or "").startswith("kube-"):
            message = f"the namespace {namespace.value!r} is reserved by Kubernetes"
            yield Finding(namespace, message, "use `default` or your own namespace")


@rule("SD205")
def stack_name_is_valid_everywhere(case: Case) -> Iterator[Finding]:
    """stackName is the prefix of bucket names and a Helm release name: it must be valid as both."""
    node, stack = case.config.at("stackName"), case.stack or ""
    if stack.endswith("-"):
        yield Finding(
            node, f"{stack!r} ends with -, which is not valid in a Helm release name", "remove the final -"
        )
    for prefix in s3.RESERVED_PREFIXES:
        if stack.startswith(prefix):
            yield Finding(
                node, f"bucket names cannot start with {prefix!r}: S3 reserves it", "choose another name"
            )


@rule("SD206")
def service_accounts_are_unique(case: Case) -> Iterator[Finding]:
    """Runtimes of one namespace cannot share a service account, or use the namespace's `default`."""
    owners: dict[tuple[str | None, str], str] = {}
    for runtime in case.runtimes:
        node = runtime.at("extraValues", "runtime", "serviceAccountName")
        name = runtime.at("name").text()
        account, namespace = node.text() or name, runtime.at("namespace").text()
        if not account:
            continue
        if account == "default":
            message = "every namespace already has the service account `default`"
            yield Finding(node if node.given else runtime.at("name"), message, "choose another name")
        elif owner := owners.get((namespace, account)):
            message = f"runtime {owner!r} already uses the service account {account!r}, with another role"
            yield Finding(node, message, "choose another name, or remove serviceAccountName")
        owners[namespace, account] = name or "?"
