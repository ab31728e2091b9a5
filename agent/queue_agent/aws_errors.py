"""Which errors of AWS end by themselves, and which a person has to end. Pure."""

from botocore.exceptions import ClientError

# Errors with a status of 4xx that end by themselves: limits of calls, clocks and credentials that are about
# to be set right, a request that was damaged on its way.
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
# https://docs.aws.amazon.com/sns/latest/api/CommonErrors.html
PASSING_CODES = frozenset(
    {
        "BadDigest",
        "BandwidthLimitExceeded",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteBody",
        "InvalidToken",
        "LimitExceededException",
        "OverLimit",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestExpired",
        "RequestLimitExceeded",
        "RequestTimeTooSkewed",
        "RequestTimeout",
        "SignatureDoesNotMatch",
        "SlowDown",
        "TokenRefreshRequired",
        "TooManyRequestsException",
        "XAmzContentSHA256Mismatch",
    }
)
PASSING_WORD = "throttl"  # Throttling, ThrottlingException, KMSThrottling, RequestThrottled …
# Conflicts of writers, and limits.
PASSING_STATUSES = (408, 409, 425, 429)
# All others with 4xx a person has to end: rights, a resource that was deleted, a key that is disabled, a
# request that AWS never accepts. These are known by their codes alone.
# https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
PERMANENT_CODES = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AllAccessDisabled",
        "AuthorizationError",
        "AuthorizationHeaderMalformed",
        "EndpointDisabled",
        "InvalidAccessKeyId",
        "InvalidBucketName",
        "InvalidClientTokenId",
        "InvalidParameter",
        "InvalidSecurity",
        "KMS.DisabledException",
        "KMS.NotFoundException",
        "KMSAccessDenied",
        "KMSDisabled",
        "KMSInvalidState",
        "KMSNotFound",
        "KMSOptInRequired",
        "KeyTooLongError",
        "NoSuchBucket",
        "NotFound",
        "ParameterValueInvalid",
        "PermanentRedirect",
        "PlatformApplicationDisabled",
        "UnrecognizedClientException",
        "ValidationException",
    }
)


def error_code(error: BaseException) -> str:
    """The error code of AWS, or the name of the exception's class."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "Unknown"))
    return type(error).__name__


def is_permanent(error: BaseException) -> bool:
    """Whether more time would not help: a person has to end the error."""
    if not isinstance(error, ClientError):
        return False
    code = error_code(error)
    if code in PASSING_CODES or PASSING_WORD in code.lower():
        return False
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return code in PERMANENT_CODES or (400 <= status < 500 and status not in PASSING_STATUSES)
