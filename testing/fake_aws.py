"""An endpoint for what no emulator has (quotas, EKS versions), and a proxy that delays each call."""

import json
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import unquote, urlsplit

from generator.solution.names import STACK_TAG
from testing.relay import Server, forward, respond

Answer = tuple[int, Any]


class FakeAws:
    """The calls of Service Quotas, EKS and SSM that preflight makes."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}
        self.defaults: dict[str, float] = {}
        self.requests: list[dict[str, Any]] = []
        standard = ("1.34", "1.35", "1.36")
        self.versions = {"1.28": "UNSUPPORTED", "1.33": "EXTENDED_SUPPORT"}
        self.versions |= dict.fromkeys(standard, "STANDARD_SUPPORT")
        self.clusters: dict[str, str] = {}
        # More of what EKS says of a cluster, and what it has: addon -> version, ARN of a role -> type.
        self.cluster_fields: dict[str, Any] = {}
        self.addons: dict[str, str] = {}
        self.access_entries: dict[str, str] = {}
        # Those of `clusters` that another tool created.
        self.foreign_clusters: set[str] = set()
        # Operations that are answered with AccessDenied.
        self.denied: set[str] = set()
        # Parts of the names of SSM parameters that do not exist.
        self.no_parameters: set[str] = set()
        # The region that each quota was asked for in, by its code.
        self.regions: dict[str, str] = {}

    def answer(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        """Answer in the JSON protocol of Service Quotas and SSM, or in the REST protocol of EKS."""
        target = handler.headers.get("X-Amz-Target", "").rpartition(".")[2]
        if target == "GetParameter":
            status, response = self._parameter(json.loads(body)["Name"])
        elif target:
            self.regions[json.loads(body)["QuotaCode"]] = handler.headers["Authorization"].split("/")[2]
            status, response = self._quotas(target, json.loads(body))
        else:
            status, response = self._eks(handler.path)
        if (target or handler.path.split("?")[0].strip("/").split("/")[0]) in self.denied:
            status, response = 403, {"__type": "AccessDeniedException", "message": "access denied"}
        content = json.dumps(response).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/x-amz-json-1.1")
        handler.send_header("Content-Length", str(len(content)))
        if status != 200:
            handler.send_header("X-Amzn-ErrorType", response["__type"])
        handler.end_headers()
        handler.wfile.write(content)

    def _quotas(self, target: str, request: Mapping[str, Any]) -> Answer:
        code = request["QuotaCode"]
        if target == "ListRequestedServiceQuotaChangeHistoryByQuota":
            return 200, {"RequestedQuotas": [row for row in self.requests if row["QuotaCode"] == code]}
        if target == "RequestServiceQuotaIncrease":
            row = {"Id": f"r-{len(self.requests)}", "QuotaCode": code, "Status": "PENDING"}
            self.requests.append(row | {"DesiredValue": request["DesiredValue"]})
            return 200, {"RequestedQuota": self.requests[-1]}
        source = self.values if target == "GetServiceQuota" else self.defaults
        if code not in source:
            return 400, {"__type": "NoSuchResourceException", "message": code}
        return 200, {"Quota": {"QuotaCode": code, "Value": source[code]}}

    def _parameter(self, name: str) -> Answer:
        if any(part in name for part in self.no_parameters):
            return 400, {"__type": "ParameterNotFound", "message": name}
        return 200, {"Parameter": {"Name": name, "Value": "ami-0123456789abcdef0"}}

    def _eks(self, path: str) -> Answer:
        words = urlsplit(path).path.strip("/").split("/")
        if words[0] == "cluster-versions":
            rows = [{"clusterVersion": v, "versionStatus": status} for v, status in self.versions.items()]
            return 200, {"clusterVersions": rows}
        if len(words) == 4 and words[1] in self.clusters:
            return self._part_of_cluster(words[2], unquote(words[3]))
        if words[-1] not in self.clusters:
            return 404, {"__type": "ResourceNotFoundException", "message": f"No cluster found: {words[-1]}"}
        tags = {STACK_TAG: words[-1]} if words[-1] not in self.foreign_clusters else {}
        row = {"name": words[-1], "version": self.clusters[words[-1]], "status": "ACTIVE", "tags": tags}
        return 200, {"cluster": row | self.cluster_fields}

    def _part_of_cluster(self, kind: str, name: str) -> Answer:
        """An add-on or an access entry."""
        parts = self.addons if kind == "addons" else self.access_entries
        if name not in parts:
            return 404, {"__type": "ResourceNotFoundException", "message": name}
        if kind == "addons":
            return 200, {"addon": {"addonName": name, "addonVersion": parts[name]}}
        return 200, {"accessEntry": {"principalArn": name, "type": parts[name]}}


def delayed_server(target: str, seconds: float) -> Server:
    """A server that forwards every call to `target` after a delay in seconds."""

    def delay(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        time.sleep(seconds)
        respond(handler, forward(handler, body, target))

    return Server(delay)
