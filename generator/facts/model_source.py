"""The one parser of where a model file comes from: Hugging Face, Civitai, or any https URL.

Sources: https://huggingface.co/docs/huggingface_hub/guides/hf_file_system (hf://),
https://developer.civitai.com/site/guide/air (urn:air:…), read on 2026-11-27.
"""

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlsplit

HUGGING_FACE_HOSTS = ("huggingface.co", "hf.co", "www.huggingface.co")
CIVITAI_HOSTS = ("civitai.com", "www.civitai.com", "civitai.red", "civitai.green")
# Parameters of a URL that are a password for it: tokens, and signatures of S3, Google Cloud and Azure.
SECRETS = frozenset(
    {
        *("access_token", "api_key", "api-key", "apikey", "auth", "key", "password", "secret", "sig"),
        *("signature", "token", "x-amz-credential", "x-amz-security-token", "x-amz-signature"),
        "x-goog-signature",
    }
)
# Parameters with which the address of a download on Civitai chooses one of several files of a version.
VARIANTS = ("type", "format", "size", "fp")
FORMS = (
    "hf://OWNER/REPOSITORY/FILE, the address of a file or version on Hugging Face or Civitai, or an https URL"
)
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
_HF = re.compile(rf"hf://({_NAME}/{_NAME})(?:@([^/]+))?/(.+)")
_HF_PATH = re.compile(rf"/({_NAME}/{_NAME})/(?:resolve|blob|raw)/([^/]+)/(.+)")
_AIR = re.compile(
    r"(?:urn:air:[a-z0-9_.-]*:[a-z0-9_.-]*:)?civitai:[0-9]+@([0-9]+)(?:\.[a-z]+)?", re.IGNORECASE
)
_CIVITAI_DOWNLOAD = re.compile(r"/api/download/models/([0-9]+)/?")
_COMMIT = re.compile(r"[0-9a-f]{40}")


class SourceError(ValueError):
    """A text is not a source. `help` says what to write."""

    def __init__(self, message: str, help: str) -> None:
        self.message, self.help = message, help
        super().__init__(message)


@dataclass(frozen=True)
class HuggingFaceFile:
    """A file in a repository of Hugging Face, at a branch, tag or commit."""

    repository: str
    revision: str
    path: str

    @property
    def file(self) -> str:
        """The name of the file."""
        return self.path.rpartition("/")[2]

    @property
    def pinned(self) -> bool:
        """Whether the revision is a commit: others may name another file later."""
        return _COMMIT.fullmatch(self.revision) is not None

    def path_on(self, route: str, revision: str | None = None) -> str:
        """The path of a URL: `route` is resolve, for the file, or blob, for its page."""
        name = quote(revision or self.revision, safe="")
        return f"/{self.repository}/{route}/{name}/{quote(self.path)}"

    def __str__(self) -> str:
        return f"hf://{self.repository}@{self.revision}/{self.path}"


@dataclass(frozen=True)
class CivitaiFile:
    """A file of a version of a model on Civitai; without a choice the one that its page offers first.

    `variant`: pairs such as (fp, fp16) that the file has.
    """

    version: int
    file_id: int | None = None
    variant: tuple[tuple[str, str], ...] = ()

    @property
    def file(self) -> str:
        """Its name is known only to Civitai."""
        return ""

    @property
    def pinned(self) -> bool:
        """Files of a version stay, and Civitai names their checksums."""
        return True

    def __str__(self) -> str:
        chosen = (
            f"fileId={self.file_id}" if self.file_id else "&".join("=".join(pair) for pair in self.variant)
        )
        return f"https://civitai.com/api/download/models/{self.version}" + (f"?{chosen}" if chosen else "")


@dataclass(frozen=True)
class UrlFile:
    """A file at an https URL."""

    url: str

    @property
    def file(self) -> str:
        """The last part of its path, empty where that ends with a slash."""
        return unquote(urlsplit(self.url).path).rpartition("/")[2]

    @property
    def pinned(self) -> bool:
        """Whoever has the server may change the file."""
        return False

    def __str__(self) -> str:
        return self.url


ModelSource = HuggingFaceFile | CivitaiFile | UrlFile


def parse(text: str) -> ModelSource:
    """The source that a text names. Raises SourceError."""
    in_repository = text.lower().startswith("hf://")
    # A path in a repository is written as it is: some files have spaces in their names.
    if re.search(r"[^\S ]|[\x00-\x1f\x7f]" if in_repository else r"[\s\x00-\x1f\x7f]", text):
        help = "write the address without it" + ("" if in_repository else ", or %20 for a space in it")
        raise SourceError(f"{text!r} has white space or a control character", help)
    if match := _AIR.fullmatch(text):
        return CivitaiFile(int(match[1]))
    if in_repository:
        return _hugging_face(text)
    try:
        parts = urlsplit(text)
        host = (parts.hostname or "").lower()
        _ = parts.port
    except ValueError as error:
        raise SourceError(f"{text!r} is not a URL: {error}", f"write {FORMS}") from error
    _check(text, parts, host)
    if host in HUGGING_FACE_HOSTS:
        return _hugging_face_page(text, parts)
    return (
        _civitai_page(text, parts) if host in CIVITAI_HOSTS else UrlFile(parts._replace(fragment="").geturl())
    )


def _check(text: str, parts: SplitResult, host: str) -> None:
    if parts.scheme == "http":
        raise SourceError(
            "http:// is not encrypted: anyone on the way can change the file",
            f"write https://{text.partition('://')[2]}",
        )
    if parts.scheme == "s3":
        help = f"copy it: aws s3 cp {text} s3://BUCKET/FOLDER/, as docs/models.md says"
        raise SourceError("files that are in S3 already are not pulled", help)
    if parts.scheme != "https" or not host:
        raise SourceError(f"{text!r} is not a source of a model file", f"write {FORMS}")
    if parts.username is not None or parts.password is not None:
        raise SourceError("the URL has a password in it", "use a URL without one: a config is not secret")
    if secret := next((name for name in parse_qs(parts.query) if name.lower() in SECRETS), None):
        help = "remove it; tokens come from the environment: HF_TOKEN, CIVITAI_TOKEN"
        raise SourceError(f"the URL has a secret in it, its parameter {secret}", help)


def _hugging_face(text: str) -> HuggingFaceFile:
    match = _HF.fullmatch(text)
    if match is None:
        help = "write hf://OWNER/REPOSITORY/FILE or hf://OWNER/REPOSITORY@COMMIT/FILE"
        raise SourceError(f"{text!r} is not a file on Hugging Face", help)
    return HuggingFaceFile(match[1], unquote(match[2] or "main"), _inside(match[3]))


def _hugging_face_page(text: str, parts: SplitResult) -> HuggingFaceFile:
    match = _HF_PATH.fullmatch(parts.path)
    if match is None:
        help = "open the file on its page and copy that address, https://huggingface.co/OWNER/REPOSITORY/blob/main/FILE"
        raise SourceError(f"{text!r} is not the address of a file on Hugging Face", help)
    return HuggingFaceFile(match[1], unquote(match[2]), _inside(unquote(match[3])))


def _inside(path: str) -> str:
    if {"", ".", ".."} & set(path.split("/")):
        raise SourceError(
            f"{path!r} is not the path of a file in a repository", "write the path from its root"
        )
    return path


def _civitai_page(text: str, parts: SplitResult) -> CivitaiFile:
    query = parse_qs(parts.query)
    file_id = next((int(value) for value in query.get("fileId", ()) if value.isdecimal()), None)
    match = _CIVITAI_DOWNLOAD.fullmatch(parts.path)
    versions = [match[1]] if match else query.get("modelVersionId", [])
    if not versions or not versions[0].isdecimal():
        help = (
            "open the version and copy that address, https://civitai.com/models/MODEL?modelVersionId=VERSION"
        )
        raise SourceError(f"{text!r} names no version of a model", help)
    variant = tuple((name, query[name][0]) for name in VARIANTS if match and name in query)
    return CivitaiFile(int(versions[0]), file_id, variant)
