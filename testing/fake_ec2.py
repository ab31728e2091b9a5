"""The calls of EC2 that moto does not have, in front of a moto that answers all others."""

from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from testing.relay import Reply, forward, respond

NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"
Fields = Mapping[str, str]


class FakeEc2:
    """Capacity reservations and the account's default key for EBS; everything else goes to `moto`."""

    def __init__(self, moto: str, default_key: str) -> None:
        self._moto = moto
        self.default_key = default_key
        # What DescribeCapacityReservations knows, in the names of its XML; `tags` are pairs of texts.
        self.reservations: list[tuple[Fields, Fields]] = []

    def answer(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        """Answer in EC2's query protocol."""
        request = {key: values[0] for key, values in parse_qs(body.decode()).items()}
        action = request.get("Action", "")
        if action == "GetEbsDefaultKmsKeyId":
            reply = _reply(action, f"<kmsKeyId>{escape(self.default_key)}</kmsKeyId>")
        elif action == "DescribeCapacityReservations":
            reply = self._reservations(request)
        else:
            reply = forward(handler, body, self._moto)
        respond(handler, reply)

    def _reservations(self, request: Fields) -> Reply:
        wanted = request.get("CapacityReservationId.1")
        rows = [fields for fields, tags in self.reservations if _selected(request, fields, tags)]
        if wanted and not rows:
            code = "InvalidCapacityReservationId.NotFound"
            error = f"<Errors><Error><Code>{code}</Code><Message>{wanted}</Message></Error></Errors>"
            return Reply(400, [], f"<Response>{error}</Response>".encode())
        items = "".join(
            f"<item>{''.join(f'<{key}>{escape(value)}</{key}>' for key, value in row.items())}</item>"
            for row in rows
        )
        return _reply(
            "DescribeCapacityReservations", f"<capacityReservationSet>{items}</capacityReservationSet>"
        )


def _reply(action: str, content: str) -> Reply:
    text = f'<{action}Response xmlns="{NAMESPACE}"><requestId>0</requestId>{content}</{action}Response>'
    return Reply(200, [("Content-Type", "text/xml")], text.encode())


def _selected(request: Fields, fields: Fields, tags: Fields) -> bool:
    """Whether a reservation has the id and all filters of a request."""
    if (wanted := request.get("CapacityReservationId.1")) is not None:
        return fields["capacityReservationId"] == wanted
    numbers = [key.split(".")[1] for key in request if key.startswith("Filter.") and key.endswith(".Name")]
    return all(
        _matches(request[f"Filter.{n}.Name"], request[f"Filter.{n}.Value.1"], fields, tags) for n in numbers
    )


def _matches(name: str, value: str, fields: Fields, tags: Fields) -> bool:
    if name == "tag-key":
        return value in tags
    if name.startswith("tag:"):
        return tags.get(name.removeprefix("tag:")) == value
    return fields[{"owner-id": "ownerId", "instance-match-criteria": "instanceMatchCriteria"}[name]] == value
