"""Errors of boto3: what to catch, AWS's error code, a line for people."""

import os

from generator.aws import explanation
from generator.aws.explanation import Explanation, Settings
from generator.errors import AwsError


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


def denied(error: Exception) -> bool:
    """Whether AWS refused a call for lack of permissions."""
    return code(error) in explanation.DENIED


def explained(error: BaseException) -> Explanation | None:
    """Why credentials, settings, permissions or the connection caused an error; None for other causes."""
    return explanation.explanation(error, _settings())


def reason(error: Exception) -> str:
    """The message of an error on one line, with what to do where the cause is known."""
    return str(explained(error) or explanation.one_line(error))


def refused(error: Exception, action: str) -> AwsError:
    """The error of a command that cannot continue. `action` says what failed."""
    return AwsError(f"{action}: {reason(error)}")


def _settings() -> Settings:
    """What the environment and the files in ~/.aws say about credentials."""
    import botocore.session  # noqa: PLC0415 - slow to import
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415

    session = botocore.session.Session()
    try:
        profiles = tuple(session.available_profiles)
    except BotoCoreError:  # a file that cannot be parsed: another error says so
        profiles = ()
    variables = frozenset(name for name in os.environ if name.startswith("AWS_"))
    return Settings(session.profile, profiles, variables)
