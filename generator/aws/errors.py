"""Errors of boto3: what to catch, AWS's error code, a line for people."""

from generator.errors import AwsError

# Error codes of missing permissions: trying again does not help.
DENIED = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "403"}
)


def refusals() -> tuple[type[Exception], ...]:
    """What boto3 raises when AWS refuses a call, or cannot be reached."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - slow to import

    return BotoCoreError, ClientError


def code(error: Exception) -> str:
    """AWS's error code, such as `AccessDenied`; the name of the exception where AWS did not answer."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return str(response.get("Error", {}).get("Code", ""))
    return type(error).__name__


def reason(error: Exception) -> str:
    """The message of an error on one line."""
    return " ".join(str(error).split())


def refused(error: Exception, action: str) -> AwsError:
    """The error of a command that cannot continue. `action` says what failed."""
    return AwsError(f"{action}: {reason(error)}")
