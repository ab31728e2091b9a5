"""Derived names: none twice, none too long, none that Kubernetes or AWS refuses."""

from collections.abc import Iterator

from generator.config.node import ConfigNode
from generator.config.rules.base import Case, Finding, rule
from generator.solution import names

# What S3 keeps for itself. https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")


@rule("SD201")
def runtime_names_differ(case: Case) -> Iterator[Finding]:
    """Two runtimes cannot have one name, not even in two namespaces: queue and bucket have it too."""
    seen: dict[str, ConfigNode] = {}
    for runtime in case.runtimes:
        name = runtime.at("name").text()
        if name in seen:
            line = runtime.document.key(seen[name].path)[0]
            what = f"the name {name!r} is taken by the runtime on line {line}"
            yield Finding(runtime.at("name"), what, "pick another: queue, bucket and role are named after it")
        elif name:
            seen[name] = runtime


@rule("SD202")
def derived_names_are_short_enough(case: Case) -> Iterator[Finding]:
    """The names that follow from stackName and a runtime's name must fit the limits of AWS and Kubernetes."""
    for runtime in case.runtimes:
        name, stack = runtime.at("name").text(), case.stack
        if not name or not stack:
            continue
        excess, thing, derived, limit = max(_lengths(stack, name, case))
        if excess > 0:
            what = f"{thing} would be {derived!r}: {len(derived)} characters, {limit} are the most"
            yield Finding(runtime.at("name"), what, f"save {excess} in `name` or `stackName`")


def _lengths(stack: str, runtime: str, case: Case) -> list[tuple[int, str, str, int]]:
    """For each derived name: characters too many, what it names, the name, the limit."""
    account, region = case.context.account or "0" * 12, case.context.region or ""
    rows = [
        ("the dead-letter queue", names.dead_letter_queue(stack, runtime), names.SQS_NAME_MAX),
        ("the output bucket", names.output_bucket(stack, runtime, account, region), names.S3_NAME_MAX),
        ("the IAM role", names.runtime_role(stack, runtime), names.IAM_ROLE_NAME_MAX),
        ("the NodePool", names.cluster_scoped(stack, runtime), names.KUBERNETES_NAME_MAX),
        ("the volume claim", f"{runtime}-models", names.KUBERNETES_NAME_MAX),
    ]
    return [(len(name) - limit, thing, name, limit) for thing, name, limit in rows]


@rule("SD203")
def derived_names_differ(case: Case) -> Iterator[Finding]:
    """A runtime cannot have a name whose queue, role or file another part of the solution already has."""
    stack = case.stack or "stack"
    taken = {names.interruption_queue(stack): "the queue of spot interruptions"}
    for runtime in case.runtimes:
        if name := runtime.at("name").text():
            taken[names.dead_letter_queue(stack, name)] = f"the dead-letter queue of runtime {name!r}"
    for runtime in case.runtimes:
        name = runtime.at("name").text()
        if name == "platform":
            what = "values/platform.yaml holds the values of the controllers"
            yield Finding(runtime.at("name"), what, "pick another name")
        elif name and (owner := taken.get(names.queue(stack, name))):
            what = f"the queue {names.queue(stack, name)!r} would also be {owner}"
            yield Finding(runtime.at("name"), what, "pick another name")


@rule("SD204")
def namespaces_are_the_users(case: Case) -> Iterator[Finding]:
    """Namespaces that begin with kube- belong to Kubernetes."""
    for runtime in case.runtimes:
        namespace = runtime.at("namespace")
        if (namespace.text() or "").startswith("kube-"):
            what = f"the namespace {namespace.value!r} belongs to Kubernetes"
            yield Finding(namespace, what, "use `default`, or a namespace of your own")


@rule("SD205")
def stack_name_suits_all_services(case: Case) -> Iterator[Finding]:
    """stackName begins bucket names and is a Helm release: it cannot end with - or begin as S3 reserves."""
    place, stack = case.config.at("stackName"), case.stack or ""
    if stack.endswith("-"):
        yield Finding(place, f"{stack!r} ends with -, which no Helm release may", "remove the - at its end")
    for prefix in RESERVED_PREFIXES:
        if stack.startswith(prefix):
            yield Finding(
                place, f"bucket names cannot begin with {prefix!r}: S3 reserves it", "pick another name"
            )


@rule("SD206")
def service_accounts_differ(case: Case) -> Iterator[Finding]:
    """Two runtimes of one namespace cannot share a service account, nor take the namespace's `default`."""
    owners: dict[tuple[str | None, str], str] = {}
    for runtime in case.runtimes:
        place = runtime.at("extraValues", "runtime", "serviceAccountName")
        name = runtime.at("name").text()
        account, namespace = place.text() or name, runtime.at("namespace").text()
        if not account:
            continue
        if account == "default":
            what = "the service account `default` belongs to the namespace"
            yield Finding(place if place.given else runtime.at("name"), what, "pick another name")
        elif owner := owners.get((namespace, account)):
            what = f"runtime {owner!r} has the service account {account!r} too, with another role"
            yield Finding(place, what, "pick another name, or remove serviceAccountName")
        owners[namespace, account] = name or "?"
