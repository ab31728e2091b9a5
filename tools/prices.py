"""Refresh the instance prices in generator/facts/data/prices.json (`make prices`; needs Go).

Source: the tables that karpenter-provider-aws generates from the AWS Price List API. It is a Go module, so
the Go module proxy is enough and no AWS account is needed. The prices of other services, and the seconds per
image of each GPU, are edited by hand: this tool does not change them.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

MODULE = "github.com/aws/karpenter-provider-aws"
VERSION = "v1.14.1"
TABLES = {
    "us-east-1": ("zz_generated.pricing_aws.go", "USD"),
    "cn-north-1": ("zz_generated.pricing_aws_cn.go", "CNY"),
}
OUT = Path(__file__).resolve().parent.parent / "generator" / "facts" / "data" / "prices.json"

# Types with NVIDIA GPUs, and types for the managed node group.
GPU = re.compile(r"(g4dn|g5|g6|g6e|g6f|gr6|gr6f|g7e|p3|p3dn|p4d|p4de|p5|p5e|p5en|p6-b200|p6-b300)\.[0-9a-z]+")
CONTROLLERS = re.compile(r"(t3|t4g|[cmr](5|6g|6i|6a|7g|7i|7a|8g))\.(medium|large|xlarge|2xlarge|4xlarge)")
DATE = re.compile(r"// generated at (\d{4}-\d{2}-\d{2})T")
REGION = re.compile(r'\t"([a-z]{2}-[a-z]+-\d)": \{')
PRICE = re.compile(r'"([a-z0-9-]+\.[a-z0-9-]+)": ([0-9.]+)')


def module_folder() -> Path:
    """Download the module; its folder in Go's module cache."""
    command = ["go", "mod", "download", "-json", f"{MODULE}@{VERSION}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"`{' '.join(command)}` failed:\n{done.stderr or done.stdout}")
    return Path(json.loads(done.stdout)["Dir"])


def hourly(text: str, region: str) -> dict[str, float]:
    """The on-demand Linux prices of one region in one of the tables."""
    parts = REGION.split(text)
    body = dict(zip(parts[1::2], parts[2::2], strict=True))[region]
    prices = {name: float(price) for name, price in PRICE.findall(body)}
    return {
        name: prices[name] for name in sorted(prices) if GPU.fullmatch(name) or CONTROLLERS.fullmatch(name)
    }


def main() -> None:
    """Write the instance prices; keep the rest of the file."""
    data: dict[str, Any] = json.loads(OUT.read_text("utf-8"))
    folder = module_folder() / "pkg" / "providers" / "pricing"
    data["instances"] = {}
    for region, (file, currency) in TABLES.items():
        text = (folder / file).read_text("utf-8")
        date = DATE.search(text)
        if date is None:
            sys.exit(f"{file} has no date: check how it is generated now")
        data["instances"][region] = {
            "date": date[1],
            "source": f"{MODULE} {VERSION} pkg/providers/pricing/{file} (from the AWS Price List API)",
            "currency": currency,
            "hourly": hourly(text, region),
        }
    OUT.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
