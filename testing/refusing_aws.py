"""An AWS that knows who asks and refuses everything else, in the protocol of each service."""

import json
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler

from testing.relay import Reply, respond

_IDENTITY = (
    '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    "<Arn>arn:aws:iam::{account}:user/deployer</Arn><UserId>AIDA</UserId><Account>{account}</Account>"
    "</GetCallerIdentityResult></GetCallerIdentityResponse>"
)
_QUERY = ("iam", "sns", "cloudformation", "sts")


@dataclass(frozen=True)
class RefusingAws:
    """Answers each call but GetCallerIdentity with an error: its HTTP status, code and message."""

    account: str
    status: int
    code: str
    message: str

    def answer(self, handler: BaseHTTPRequestHandler, _: bytes) -> None:
        """Answer a call; its service is in the scope of the signature."""
        service = handler.headers["Authorization"].split("/")[3]
        if service == "sts":
            respond(handler, Reply(200, [], _IDENTITY.format(account=self.account).encode()))
            return
        content = b"" if handler.command == "HEAD" else self._content(service).encode()
        respond(handler, Reply(self.status, [("x-amzn-errortype", self.code)], content))

    def _content(self, service: str) -> str:
        error = f"<Code>{self.code}</Code><Message>{self.message}</Message>"
        if service == "s3":
            return f"<Error>{error}</Error>"
        if service == "ec2":
            return f"<Response><Errors><Error>{error}</Error></Errors></Response>"
        if service in _QUERY:
            return f"<ErrorResponse><Error><Type>Sender</Type>{error}</Error></ErrorResponse>"
        return json.dumps({"__type": self.code, "message": self.message})
