"""An endpoint for what no emulator has (quotas, EKS versions), and a slow road to the emulators."""

import json
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

from generator.solution.names import STACK_TAG
from testing.relay import Server, ask, give

Answer = tuple[int, Any]


class Quotas:
    """Service Quotas and EKS, as much as preflight asks of them."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}
        self.defaults: dict[str, float] = {}
        self.requests: list[dict[str, Any]] = []
        self.versions = {"1.33": "STANDARD_SUPPORT", "1.34": "STANDARD_SUPPORT", "1.28": "UNSUPPORTED"}
        self.clusters: dict[str, str] = {}
        # Those of `clusters` that no solution of ours made.
        self.others: set[str] = set()
        self.refuse: set[str] = set()
        # The region that each quota was asked for in, by its code.
        self.regions: dict[str, str] = {}

    def answer(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        """Speak the JSON protocol of Service Quotas, or the REST protocol of EKS."""
        target = handler.headers.get("X-Amz-Target", "").rpartition(".")[2]
        if target:
            self.regions[json.loads(body)["QuotaCode"]] = handler.headers["Authorization"].split("/")[2]
        status, found = self._quotas(target, json.loads(body)) if target else self._eks(handler.path)
        if (target or handler.path.split("?")[0].strip("/").split("/")[0]) in self.refuse:
            status, found = 403, {"__type": "AccessDeniedException", "message": "not yours to ask"}
        content = json.dumps(found).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/x-amz-json-1.1")
        handler.send_header("Content-Length", str(len(content)))
        if status != 200:
            handler.send_header("X-Amzn-ErrorType", found["__type"])
        handler.end_headers()
        handler.wfile.write(content)

    def _quotas(self, target: str, asked: Mapping[str, Any]) -> Answer:
        code = asked["QuotaCode"]
        if target == "ListRequestedServiceQuotaChangeHistoryByQuota":
            return 200, {"RequestedQuotas": [row for row in self.requests if row["QuotaCode"] == code]}
        if target == "RequestServiceQuotaIncrease":
            row = {"Id": f"r-{len(self.requests)}", "QuotaCode": code, "Status": "PENDING"}
            self.requests.append(row | {"DesiredValue": asked["DesiredValue"]})
            return 200, {"RequestedQuota": self.requests[-1]}
        source = self.values if target == "GetServiceQuota" else self.defaults
        if code not in source:
            return 400, {"__type": "NoSuchResourceException", "message": code}
        return 200, {"Quota": {"QuotaCode": code, "Value": source[code]}}

    def _eks(self, path: str) -> Answer:
        words = urlsplit(path).path.strip("/").split("/")
        if words[0] == "cluster-versions":
            rows = [{"clusterVersion": v, "versionStatus": status} for v, status in self.versions.items()]
            return 200, {"clusterVersions": rows}
        if words[-1] not in self.clusters:
            return 404, {"__type": "ResourceNotFoundException", "message": f"No cluster found: {words[-1]}"}
        tags = {STACK_TAG: words[-1]} if words[-1] not in self.others else {}
        row = {"name": words[-1], "version": self.clusters[words[-1]], "status": "ACTIVE", "tags": tags}
        return 200, {"cluster": row}


def slow_road(target: str, seconds: float) -> Server:
    """A server that passes everything on to `target`, each call after so many seconds."""

    def pass_on(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        time.sleep(seconds)
        give(handler, ask(handler, body, target))

    return Server(pass_on)
