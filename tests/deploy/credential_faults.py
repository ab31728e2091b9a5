"""Faults of credentials and of the way to AWS, each with what the user reads."""

import hashlib
from dataclasses import dataclass, field

# Every command that asks AWS, with what makes it ask.
COMMANDS = {
    "preflight": ["preflight", "CONFIG"],
    "deploy": ["deploy", "CONFIG"],
    "uninstall": ["uninstall", "CONFIG", "--yes"],
    "status": ["status", "CONFIG"],
    "smoke": ["smoke", "CONFIG"],
    "images": ["images", "CONFIG", "--digests"],
    "plan": ["plan", "CONFIG", "--account-from-sts"],
    "build": ["build", "CONFIG", "--account-from-sts"],
    "validate": ["validate", "CONFIG", "--account-from-sts"],
    "render": ["render", "CONFIG", "--account-from-sts"],
}
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"}
ROLE = "role_arn = arn:aws:iam::123456789012:role/deployer\n"
SSO = "sso_session = corp\nsso_account_id = 123456789012\nsso_role_name = admin\n"
SESSION = "[sso-session corp]\nsso_region = us-east-1\nsso_start_url = https://example.com\n"
# The file of a session's token, which the AWS CLI names after the session.
TOKEN = f".aws/sso/cache/{hashlib.sha1(b'corp').hexdigest()}.json"
SOURCE = "[profile base]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = secret\n"


@dataclass(frozen=True)
class Fault:
    """Something that is wrong with credentials or connection, and the words that name it and its fix."""

    words: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)
    config: str = ""
    credentials: str = ""
    # The cached token of an SSO session.
    token: str = ""
    # What STS answers: error code and message.
    answer: tuple[str, str] | None = None


FAULTS = {
    "unknown profile": Fault(
        ("AWS profile 'nope' does not exist", "set AWS_PROFILE to one of dev", "--profile nope"),
        {"AWS_PROFILE": "nope"},
        "[profile dev]\nregion = us-east-1\n",
    ),
    "empty profile": Fault(("AWS_PROFILE is empty", "unset"), {"AWS_PROFILE": ""}),
    "no credentials": Fault(("no AWS credentials were found", "aws configure")),
    "a profile without credentials": Fault(
        ("profile 'dev' has no credentials", "aws configure"),
        {"AWS_PROFILE": "dev"},
        "[profile dev]\nregion = us-east-1\n",
    ),
    "a key without its secret": Fault(
        ("lack AWS_SECRET_ACCESS_KEY", "set AWS_SECRET_ACCESS_KEY"), {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE"}
    ),
    "a secret without its key": Fault(
        ("lack AWS_ACCESS_KEY_ID", "set AWS_ACCESS_KEY_ID"), {"AWS_SECRET_ACCESS_KEY": "secret"}
    ),
    "half a key pair in a file": Fault(
        ("lack aws_secret_access_key",), credentials="[default]\naws_access_key_id = AKIAEXAMPLE\n"
    ),
    "SSO never started": Fault(
        ("SSO session of profile 'corp'", "aws sso login --profile corp"),
        {"AWS_PROFILE": "corp"},
        f"[profile corp]\n{SSO}{SESSION}",
    ),
    "SSO expired": Fault(
        ("SSO session of profile 'corp' has expired", "aws sso login --profile corp"),
        {"AWS_PROFILE": "corp"},
        f"[profile corp]\n{SSO}{SESSION}",
        token='{"accessToken": "t", "expiresAt": "2020-01-01T00:00:00Z"}',
    ),
    "a damaged SSO token": Fault(
        ("SSO session of profile 'corp'", "aws sso login --profile corp"),
        {"AWS_PROFILE": "corp"},
        f"[profile corp]\n{SSO}{SESSION}",
        token="{",
    ),
    "an SSO session that is not there": Fault(
        ("sso-session does not exist", "AWS_CONFIG_FILE"), {"AWS_PROFILE": "corp"}, f"[profile corp]\n{SSO}"
    ),
    "malformed config": Fault((".aws/config", "line: 1", "correct it"), config="what is this\n"),
    "malformed credentials": Fault((".aws/credentials", "correct it"), credentials="[default\n"),
    "a source profile that is not there": Fault(
        ('"base"', "does not exist", "correct it"),
        {"AWS_PROFILE": "dev"},
        f"[profile dev]\n{ROLE}source_profile = base\n",
    ),
    "a role that may not be assumed": Fault(
        ("role of profile 'dev' could not be assumed", "not authorized", "sts:AssumeRole", "trust policy"),
        {"AWS_PROFILE": "dev"},
        f"[profile dev]\n{ROLE}source_profile = base\n{SOURCE}",
        answer=("AccessDenied", "User x is not authorized to perform: sts:AssumeRole"),
    ),
    "a program that fails": Fault(
        ("could not be read", "credential_process"),
        {"AWS_PROFILE": "dev"},
        "[profile dev]\ncredential_process = /bin/false\n",
    ),
    "a program that does not exist": Fault(
        ("could not be read", "credential_process"),
        {"AWS_PROFILE": "dev"},
        "[profile dev]\ncredential_process = /nowhere/program\n",
    ),
    "a web identity without its token": Fault(
        ("could not be read", "AWS_WEB_IDENTITY_TOKEN_FILE"),
        {"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/x", "AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere/token"},
    ),
    "expired credentials": Fault(
        ("have expired", "sign in again"), KEYS, answer=("ExpiredToken", "The security token is expired")
    ),
    "an unknown key": Fault(
        ("does not know the access key", "aws sts get-caller-identity"),
        KEYS,
        answer=("InvalidClientTokenId", "The security token included in the request is invalid"),
    ),
    "a wrong secret": Fault(
        ("refused the secret key", "copy the secret access key"),
        KEYS,
        answer=("SignatureDoesNotMatch", "The request signature we calculated does not match"),
    ),
    "a clock that is late": Fault(
        ("refused the time", "set the clock"),
        KEYS,
        answer=("SignatureDoesNotMatch", "Signature expired: 20261126T000000Z is now earlier than"),
    ),
    "a request that is too old": Fault(
        ("refused the time", "set the clock"), KEYS, answer=("RequestExpired", "Request has expired.")
    ),
    "an unreachable endpoint": Fault(
        ("could not be reached", "AWS_ENDPOINT_URL"), {**KEYS, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    ),
    "an endpoint that is no URL": Fault(
        ("not valid", "AWS_ENDPOINT_URL"), {**KEYS, "AWS_ENDPOINT_URL": "localhost"}
    ),
    "a line break in a key": Fault(
        ("a character that HTTP does not allow", "line breaks"), {**KEYS, "AWS_ACCESS_KEY_ID": "AKIA\n"}
    ),
    "a program that prints no object": Fault(
        ("could not be read", "the programs that it names"),
        {"AWS_PROFILE": "dev"},
        "[profile dev]\ncredential_process = echo []\n",
    ),
    "STS is down": Fault(("did not answer", "later"), KEYS, answer=("InternalFailure", "internal failure")),
}
MFA = Fault(
    ("MFA code", "in a terminal", "export-credentials --profile dev"),
    {"AWS_PROFILE": "dev"},
    f"[profile dev]\n{ROLE}source_profile = base\nmfa_serial = arn:aws:iam::1:mfa/me\n{SOURCE}",
)
