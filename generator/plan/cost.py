"""The cost of a solution when idle and of 1,000 pictures, each amount with its formula."""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import date

from generator.facts.facts import Facts
from generator.facts.prices import DAYS_A_MONTH, HOURS_A_MONTH, PriceList, Prices
from generator.plan.model import Cost, CostLine, RuntimePlan
from generator.solution import limits
from generator.solution.model import Runtime, Solution

NODE_DISK_GB = 80  # eksctl's default for a managed node
# Requests of one task. SQS: receive, delete and some heartbeats.
SQS_CALLS = 5
SNS_PUBLISHES = 2  # the task, the result
S3_PUTS = 7  # the record of the request and the claim, each twice; index entry, one picture, result.json
# Lambda asks an idle queue with five connections, each for 20 s at a time.
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
WEBHOOK_POLLS = 5 * 3 * 60 * HOURS_A_MONTH
# Lines of the agent, and the progress bars of the runtime.
LOG_KB = 10
HOURS_A_WEEK = 7 * 24
# Lines of Karpenter, KEDA, the CSI driver and the add-ons in a month.
CONTROLLER_LOGS_GB = 1
API_SECONDS, AUTHORIZER_SECONDS = 0.3, 0.01
API_GIB, AUTHORIZER_GIB = limits.API_FUNCTION_MIB / 1024, limits.API_AUTHORIZER_MIB / 1024


def cost(
    solution: Solution,
    runtimes: Sequence[RuntimePlan],
    facts: Facts,
    *,
    today: date,
    seconds: Mapping[str, float],
    stack_resources: Mapping[str, int],
) -> Cost:
    """The cost at on-demand list prices on the day `today`.

    `seconds` for a picture, by GPU, override those of the price list.
    """
    prices = facts.prices
    price_list = prices.region_list(solution.region, solution.partition.name)
    region_prices = price_list or PriceList(solution.region, "USD", "", date.min, "", {}, {})
    return Cost(
        currency=region_prices.currency,
        priced_as=f"{region_prices.region}, {region_prices.date}" if price_list else "unknown",
        note=_note(solution, price_list, prices),
        idle=(
            *_of_cluster(solution, facts, region_prices, today),
            *_idle(solution, runtimes, region_prices, stack_resources),
        ),
        per_1000=tuple(_pictures(runtimes, region_prices, {**prices.seconds_per_image, **seconds})),
        requests=_requests(solution, region_prices),
    )


def _note(solution: Solution, price_list: PriceList | None, prices: Prices) -> str:
    if price_list is None:
        return f"No price list for {solution.region} ships with the generator: every price is unknown."
    elsewhere = (
        ""
        if price_list.region == solution.region
        else f" {solution.region} has other prices: this is their order."
    )
    return (
        f"List prices of {price_list.region} on {price_list.date}, on demand, without tax.{elsewhere}"
        " Spot prices change by the hour and are lower; data transfer, the logs of control plane and API,"
        " and stored pictures come on top."
        f" {prices.seconds_about}"
    )


def _of_cluster(solution: Solution, facts: Facts, prices: PriceList, today: date) -> Iterator[CostLine]:
    """The cluster and its network; an existing one costs what it costs already."""
    if solution.existing_cluster:
        return
    nodes, kind = solution.components.desired_count, solution.components.instance_type
    hours, zones = HOURS_A_MONTH, len(solution.zones)
    service = prices.service
    yield _control_plane(solution, facts, prices, today)
    yield _line(f"controllers: {nodes} × {kind}", nodes * hours, "h", prices.instance(kind))
    yield _line("disks of the controllers", nodes * NODE_DISK_GB, "GB", service("ebs_gp3_gb_month"))
    yield _line(f"{zones} NAT gateways", zones * hours, "h", service("nat_gateway_hour"))
    yield _line(f"{zones} public IPv4 addresses", zones * hours, "h", service("public_ipv4_hour"))


def _control_plane(solution: Solution, facts: Facts, prices: PriceList, today: date) -> CostLine:
    price = prices.control_plane()
    extended = facts.support(solution.versions.eks).is_extended(today)
    hourly = None if price is None else price.extended if extended else price.standard
    support = "extended" if extended else "standard"
    return _line(f"EKS control plane ({support} support)", HOURS_A_MONTH, "h", hourly)


def _idle(
    solution: Solution,
    runtimes: Sequence[RuntimePlan],
    prices: PriceList,
    stack_resources: Mapping[str, int],
) -> Iterator[CostLine]:
    yield _line("the secret of webhooks", 1, "secret", prices.service("secret_month"))
    million = prices.service("sqs_million")
    each = None if million is None else million / 1e6
    yield _line("polls of the queue of webhooks", WEBHOOK_POLLS, "requests", each)
    alarms = stack_resources.get("AWS::CloudWatch::Alarm", 0)
    yield _line(f"{alarms} alarms", alarms, "alarms", prices.service("cloudwatch_alarm_month"))
    if solution.observability.logs.enabled:
        what = "logs of the controllers, about"
        yield _line(what, CONTROLLER_LOGS_GB, "GB", _log_price(solution, prices))
    for runtime, plan in zip(solution.runtimes, runtimes, strict=True):
        pods = runtime.scaling.min_replicas if runtime.scaling.enabled else 1
        if pods and plan.options:
            option = plan.options[0]
            kind, nodes = option.instance_type, math.ceil(pods / option.pods_per_node)
            text = f"GPU: {runtime.name} keeps {nodes} × {kind}"
            yield _line(text, nodes * HOURS_A_MONTH, "h", prices.instance(kind))
        yield from _kept_warm(runtime, plan, prices)


def _kept_warm(runtime: Runtime, plan: RuntimePlan, prices: PriceList) -> Iterator[CostLine]:
    """What pods and placeholders of scaling.warm cost above the minimum of pods."""
    if not plan.warm or not plan.options:
        return
    kind, per_node = plan.options[0].instance_type, plan.options[0].pods_per_node
    least = runtime.scaling.min_replicas
    hours = sum(
        level.hours
        * (math.ceil((max(level.pods, least) + level.nodes) / per_node) - math.ceil(least / per_node))
        for level in plan.warm
    )
    text = f"GPU: {runtime.name} keeps {kind} warm, {hours:g} node hours a week"
    yield _line(text, round(hours * HOURS_A_MONTH / HOURS_A_WEEK), "h", prices.instance(kind))


def _log_price(solution: Solution, prices: PriceList) -> float | None:
    """The price of a GB of logs: collected, then stored for the retention time."""
    collected, stored = prices.service("cloudwatch_logs_gb"), prices.service("cloudwatch_logs_gb_month")
    if collected is None or stored is None:
        return None
    return collected + stored * solution.observability.logs.retention_days / DAYS_A_MONTH


def _line(what: str, quantity: int, unit: str, price: float | None) -> CostLine:
    if price is None:
        return CostLine(what, f"{quantity:,} {unit} × unknown", None)
    return CostLine(what, f"{quantity:,} {unit} × {price:g}", quantity * price)


def _pictures(
    runtimes: Sequence[RuntimePlan], prices: PriceList, seconds: Mapping[str, float]
) -> Iterator[CostLine]:
    """One line for each way to place pods on nodes, also where several runtimes share it."""
    placements = {
        (option.instance_type, option.gpu_name, option.pods_per_node): None
        for runtime in runtimes
        for option in runtime.options
    }
    for instance_type, gpu, pods in placements:
        duration, hourly = seconds.get(gpu), prices.instance(instance_type)
        formula = f"1000 × {_or_unknown(duration)} s ÷ 3600 × {_or_unknown(hourly)}"
        if pods > 1:
            formula += f" ÷ {pods} pods a node"
        amount = None
        if duration is not None and hourly is not None:
            amount = 1000 * duration / 3600 * hourly / pods
        yield CostLine(f"{instance_type} ({gpu})", formula, amount)


def _requests(solution: Solution, prices: PriceList) -> CostLine:
    """The cost of the AWS requests and logs of 1,000 tasks, which does not depend on the GPU."""
    parts = [
        (1000 / 1e6, "api_gateway_million"),
        (2 * 1000 / 1e6, "lambda_million"),
        (1000 * (API_SECONDS * API_GIB + AUTHORIZER_SECONDS * AUTHORIZER_GIB), "lambda_gb_second"),
        (1000 * SNS_PUBLISHES / 1e6, "sns_publish_million"),
        (1000 * SQS_CALLS / 1e6, "sqs_million"),
        (S3_PUTS, "s3_put_thousand"),
    ]
    priced = [(quantity, prices.service(name)) for quantity, name in parts]
    logs = solution.observability.logs.enabled
    if logs:
        priced.append((1000 * LOG_KB / 1e6, _log_price(solution, prices)))
    amounts = [quantity * price for quantity, price in priced if price is not None]
    formula = (
        f"API call + function ({API_SECONDS} s, {API_GIB} GB) + "
        f"authorizer ({AUTHORIZER_SECONDS} s, {AUTHORIZER_GIB} GB) + {SNS_PUBLISHES} SNS publishes + "
        f"{SQS_CALLS} SQS requests + {S3_PUTS} S3 PUT{f' + {LOG_KB} KB of logs' if logs else ''}, × 1000"
    )
    return CostLine("requests of 1,000 tasks", formula, sum(amounts) if len(amounts) == len(priced) else None)


def _or_unknown(value: float | None) -> str:
    return "unknown" if value is None else f"{value:g}"
