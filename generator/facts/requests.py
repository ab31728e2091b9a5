"""What every GPU node and pod requests, other than what the values of a runtime set."""

from decimal import Decimal

from generator.facts.instance_types import Resources
from generator.facts.quantity import MIB

# The DaemonSets of a node: vpc-cni 50m, kube-proxy 100m, S3 CSI driver 30m and 120 MiB.
DAEMONS = Resources(Decimal("0.18"), Decimal(120 * MIB))
# The trace collector's container, in charts/sd-runtimes/templates/runtime/_containers.tpl.
COLLECTOR = Resources(Decimal("0.05"), Decimal(64 * MIB))
