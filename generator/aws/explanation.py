"""Explains why AWS cannot be asked with the current credentials and settings, and what to do. Pure.

The exceptions are those of botocore/exceptions.py, by name. The error codes are the common ones of AWS:
https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html and, for EC2 and S3, their own lists.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

# Error codes of an access key that AWS does not know: a wrong key, or one of another partition. In a region
# that is disabled for the account, a valid key is refused in the same way.
UNKNOWN_KEY = frozenset(
    {"InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "AuthFailure"}
)
# Missing permissions: trying again does not help.
DENIED = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "403"}
)
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken"})
_CLOCK = frozenset({"RequestExpired", "RequestTimeTooSkewed"})
_SIGNATURE = frozenset({"SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature"})
_CLOCK_WORDS = ("expired", "not yet current")
_ROLES = ("AssumeRole", "AssumeRoleWithWebIdentity", "AssumeRoleWithSAML")

CREDENTIALS_HELP = (
    "run `aws configure sso` or `aws configure`, set AWS_PROFILE to a profile that has credentials, "
    "or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
)
CONFIG_HELP = "correct it, or name another file with AWS_CONFIG_FILE or AWS_SHARED_CREDENTIALS_FILE"
CLOCK_HELP = "set the clock of this machine, for example with `sudo timedatectl set-ntp true`"
DENIED_HELP = "allow the deployer this action: iam/deployer-policy.json of the build does"
PROCESS_HELP = "run the command of `credential_process` in ~/.aws/config by hand to see why"


@dataclass(frozen=True)
class Settings:
    """What decides which credentials boto3 uses.

    `profile` is that of AWS_PROFILE (None: not set), `profiles` are those that exist, and `variables` the
    names of the environment variables of AWS that are set.
    """

    profile: str | None
    profiles: tuple[str, ...] = ()
    variables: frozenset[str] = frozenset()

    @property
    def flag(self) -> str:
        """The flag of the AWS CLI that names the profile."""
        return f" --profile {self.profile}" if self.profile else ""

    @property
    def credentials(self) -> str:
        """The credentials, in words."""
        return f"the credentials of profile {self.profile!r}" if self.profile else "the AWS credentials"

    @property
    def of_profile(self) -> str:
        """The profile that something belongs to, in words, with a space before them."""
        return f" of profile {self.profile!r}" if self.profile else ""


@dataclass(frozen=True)
class Explanation:
    """Why AWS cannot be asked, and what to do."""

    reason: str
    help: str

    def __str__(self) -> str:
        """Both on one line."""
        return f"{self.reason}: {self.help}"


def explanation(error: BaseException, settings: Settings) -> Explanation | None:
    """The explanation of an error of boto3; None if the cause is not the credentials or the connection."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return _of_answer(error, response.get("Error", {}), settings)
    names = [kind.__name__ for kind in type(error).__mro__]
    explain = next((_BY_EXCEPTION[name] for name in names if name in _BY_EXCEPTION), None)
    return explain(error, settings) if explain else None


def one_line(error: BaseException) -> str:
    """The message of an error on one line."""
    return " ".join(str(error).split()) or type(error).__name__


def _of_answer(error: Any, answer: Mapping[str, Any], settings: Settings) -> Explanation | None:
    """The explanation of an error that AWS answered."""
    code, message = str(answer.get("Code", "")), " ".join(str(answer.get("Message", "")).split())
    operation = str(getattr(error, "operation_name", ""))
    if operation in _ROLES:
        return _of_role(operation, code, message, settings)
    if operation == "GetRoleCredentials":
        help = f"check sso_account_id and sso_role_name, then run `aws sso login{settings.flag}`"
        return Explanation(f"IAM Identity Center gave no credentials ({message or code})", help)
    if code in DENIED:
        return Explanation(one_line(error), DENIED_HELP)
    return _of_key(code, message, settings)


def _of_key(code: str, message: str, settings: Settings) -> Explanation | None:
    """The explanation of an access key or a signature that AWS refused."""
    if code in _CLOCK or (code in _SIGNATURE and any(word in message for word in _CLOCK_WORDS)):
        return Explanation(f"AWS refused the time of the request ({message or code})", CLOCK_HELP)
    if code in _EXPIRED:
        return Explanation(f"{settings.credentials} have expired ({code})", _sign_in_again(settings))
    if code in _SIGNATURE:
        help = "copy the secret access key of this access key again, or create a new key"
        return Explanation(f"AWS refused the secret key of {settings.credentials} ({code})", help)
    if code in UNKNOWN_KEY:
        help = f"check them with `aws sts get-caller-identity{settings.flag}`, or create a new key"
        return Explanation(f"AWS does not know the access key of {settings.credentials} ({code})", help)
    return None


def _of_role(operation: str, code: str, message: str, settings: Settings) -> Explanation:
    """The explanation of a role that could not be assumed."""
    of_key = _of_key(code, message, settings)
    if of_key:
        return of_key
    if "MultiFactorAuthentication" in message:
        help = "enter the current code; wait for the next one if it was used already"
        return Explanation(f"AWS refused the MFA code{settings.of_profile} ({message})", help)
    caller = "the web identity" if operation != "AssumeRole" else "its source credentials"
    help = f"allow sts:{operation} to {caller}, in their policy and in the trust policy of the role"
    return Explanation(f"the role{settings.of_profile} could not be assumed ({message})", help)


def _sign_in_again(settings: Settings) -> str:
    return f"sign in again (`aws sso login{settings.flag}`), or set new temporary credentials"


def _profile_not_found(error: BaseException, settings: Settings) -> Explanation:
    name = str(getattr(error, "kwargs", {}).get("profile", settings.profile))
    listed = ", ".join(sorted(settings.profiles))
    known = f"set AWS_PROFILE to one of {listed}" if listed else "unset AWS_PROFILE"
    if not name:
        return Explanation("AWS_PROFILE is empty", f"{known}, or unset it" if listed else "unset it")
    help = f"{known}, or create it with `aws configure sso --profile {name}`"
    return Explanation(f"AWS profile {name!r} does not exist in ~/.aws", help)


def _no_credentials(_: BaseException, settings: Settings) -> Explanation:
    if "AWS_SECRET_ACCESS_KEY" in settings.variables and "AWS_ACCESS_KEY_ID" not in settings.variables:
        help = "set AWS_ACCESS_KEY_ID, or unset AWS_SECRET_ACCESS_KEY"
        return Explanation("the AWS credentials in the environment lack AWS_ACCESS_KEY_ID", help)
    owner = f"profile {settings.profile!r} has no credentials" if settings.profile else ""
    return Explanation(owner or "no AWS credentials were found", CREDENTIALS_HELP)


def _partial(error: BaseException, _: Settings) -> Explanation:
    fields = getattr(error, "kwargs", {})
    missing, source = fields.get("cred_var", "a part"), fields.get("provider", "")
    where = "the environment" if source == "env" else source
    return Explanation(f"the AWS credentials in {where} lack {missing}", f"set {missing}, or remove the rest")


def _sso(error: BaseException, settings: Settings) -> Explanation:
    reason = f"the SSO session{settings.of_profile} has expired or was never started ({one_line(error)})"
    return Explanation(reason, f"run `aws sso login{settings.flag}`")


def _login(error: BaseException, settings: Settings) -> Explanation:
    return Explanation(
        f"the session of `aws login` has ended ({one_line(error)})", f"run `aws login{settings.flag}`"
    )


def _dependency(error: BaseException, settings: Settings) -> Explanation:
    help = f'run `pip install "botocore[crt]"`, or {_export(settings)}'
    return Explanation(one_line(error), help)


def _config_file(error: BaseException, _: Settings) -> Explanation:
    fields = getattr(error, "kwargs", {})
    cause = fields.get("error")
    detail = f" ({one_line(cause)})" if isinstance(cause, BaseException) else ""
    return Explanation(f"{one_line(error)}{detail}", CONFIG_HELP)


def _source(error: BaseException, settings: Settings) -> Explanation:
    """A program, an endpoint or another profile that should give credentials, and does not."""
    provider = str(getattr(error, "kwargs", {}).get("provider", ""))
    help = PROCESS_HELP if provider == "custom-process" else "check the profile in ~/.aws/config"
    if provider.startswith(("container", "iam")):
        help = "check the role of this machine or container, or set AWS_PROFILE"
    return Explanation(f"{settings.credentials} could not be read ({one_line(error)})", help)


def _mfa(_: BaseException, settings: Settings) -> Explanation:
    owner = f"profile {settings.profile!r} asks" if settings.profile else "the AWS credentials ask"
    help = f"run the command in a terminal, or first {_export(settings)}"
    return Explanation(f"{owner} for an MFA code, and there is no terminal to enter it", help)


def _export(settings: Settings) -> str:
    """The command that puts credentials which the AWS CLI can get into the environment."""
    return f'`eval "$(aws configure export-credentials{settings.flag} --format env)"`'


def _connection(error: BaseException, settings: Settings) -> Explanation:
    endpoints = sorted(name for name in settings.variables if name.startswith("AWS_ENDPOINT_URL"))
    also = f", and {', '.join(endpoints)}" if endpoints else ""
    help = f"check the network, and the proxy (HTTPS_PROXY, NO_PROXY){also}"
    return Explanation(f"AWS could not be reached ({one_line(error)})", help)


def _tls(error: BaseException, _: Settings) -> Explanation:
    help = "set AWS_CA_BUNDLE to a file with the certificate authority of your proxy, or unset it"
    return Explanation(f"the TLS certificate of AWS was refused ({one_line(error)})", help)


def _http_client(error: BaseException, settings: Settings) -> Explanation:
    if "header value" not in str(error):
        return _connection(error, settings)
    # The message of the error would print the key.
    help = "remove line breaks and spaces from AWS_ACCESS_KEY_ID and AWS_SESSION_TOKEN"
    return Explanation(f"{settings.credentials} hold a character that HTTP does not allow", help)


def _settings(error: BaseException, _: Settings) -> Explanation:
    """Values that botocore refuses before it asks, such as an endpoint without a scheme."""
    help = "correct AWS_ENDPOINT_URL and the other AWS_ variables, and ~/.aws/config"
    return Explanation(f"a setting for AWS is not valid ({one_line(error)})", help)


def _file(error: BaseException, settings: Settings) -> Explanation:
    """A file or program that the credentials name, such as AWS_WEB_IDENTITY_TOKEN_FILE."""
    help = "check AWS_WEB_IDENTITY_TOKEN_FILE and `credential_process` in ~/.aws/config"
    return Explanation(f"{settings.credentials} could not be read ({one_line(error)})", help)


_BY_EXCEPTION: Mapping[str, Callable[[BaseException, Settings], Explanation]] = {
    "ProfileNotFound": _profile_not_found,
    "NoCredentialsError": _no_credentials,
    "NoAuthTokenError": _no_credentials,
    "PartialCredentialsError": _partial,
    "SSOError": _sso,
    "TokenRetrievalError": _sso,
    "LoginError": _login,
    "MissingDependencyException": _dependency,
    "ConfigParseError": _config_file,
    "ConfigNotFound": _config_file,
    "InvalidConfigError": _config_file,
    "UnknownCredentialError": _config_file,
    "CredentialRetrievalError": _source,
    "MetadataRetrievalError": _source,
    "RefreshWithMFAUnsupportedError": _mfa,
    "EOFError": _mfa,
    # A file of the SSO cache that cannot be parsed.
    "KeyError": _sso,
    "SSLError": _tls,
    "HTTPClientError": _http_client,
    "ConnectionError": _connection,
    "InvalidDefaultsMode": _settings,
    "InvalidRegionError": _settings,
    "InvalidRetryConfigurationError": _settings,
    "InvalidSTSRegionalEndpointsConfigError": _settings,
    "InvalidIMDSEndpointError": _settings,
    "InvalidIMDSEndpointModeError": _settings,
    "InvalidProxiesConfigError": _settings,
    "EndpointProviderError": _settings,
    "BaseEndpointResolverError": _settings,
    "OSError": _file,
    "ValueError": _settings,
}
