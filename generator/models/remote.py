"""Asks a source about a file: where its bytes are, its size, its checksum, its license."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from generator.facts.model_source import CivitaiFile, HuggingFaceFile, ModelSource, UrlFile
from generator.models.web import (
    RETRIED,
    Answer,
    PullError,
    Sites,
    Web,
    decoded,
    host,
    is_ok,
    number,
    printable,
)

SHA256_DIGITS = 64


# For each kind of source the variable with its token, and where users create one.
_TOKENS: Mapping[type, tuple[str, str]] = {
    HuggingFaceFile: ("HF_TOKEN", "https://huggingface.co/settings/tokens"),
    CivitaiFile: ("CIVITAI_TOKEN", "https://civitai.com/user/account"),
}


@dataclass(frozen=True)
class Remote:
    """A file at its source.

    `url`: where its bytes are, for requests with the site's token. `page`: for people. `revision`: the commit
    or the version. `sha256`: as the source publishes it, in lowercase; empty if it does not. `license`: empty
    if the source names none. `size`: in bytes, where the source says it.
    """

    url: str
    page: str
    revision: str = ""
    sha256: str = ""
    license: str = ""
    size: int | None = None


def remote(source: ModelSource, web: Web, sites: Sites) -> Remote:
    """What the source says about a file. Raises PullError."""
    if isinstance(source, HuggingFaceFile):
        return _hugging_face(source, web, sites.hugging_face)
    if isinstance(source, CivitaiFile):
        return _civitai(source, web, sites.civitai)
    return _url(source)


def refused(answer: Answer, source: ModelSource, page: str, *, has_token: bool) -> PullError:
    """Why a site refuses a file. `page`: where people see it. `has_token`: one was sent."""
    status, site = answer.status, host(answer.url)
    reason = answer.header("X-Error-Message")
    if answer.header("X-Error-Code") == "RepoNotFound":
        # Hugging Face does not tell whether a repository is private, or is not there.
        variable = _TOKENS[type(source)][0]
        help = f"correct the name; for a private repository set {variable} to a token that may read it"
        return PullError(f"{site} does not show the repository of {source} ({status})", help)
    if status in (401, 403) and type(source) in _TOKENS:
        variable, settings = _TOKENS[type(source)]
        if has_token:
            help = (
                f"accept the terms at {page} with the account of {variable}, and let the token read the file"
            )
        else:
            help = f"accept the terms at {page}, create a token at {settings}, and set {variable}"
        return PullError(f"{site} does not give {source} to everybody ({status})", help)
    if status in (401, 403):
        return PullError(f"{site} refuses {source} ({status})", "use a URL that needs no password")
    if status in (404, 410):
        return PullError(f"{site} does not have {source} ({status})", reason or f"look at {page}")
    help = f"look at {page}"
    if status in RETRIED:
        help = "run it again later: it continues"
    if status == 429 and type(source) in _TOKENS and not has_token:
        variable, settings = _TOKENS[type(source)]
        help += f"; with a token of {settings} in {variable} the site allows more requests"
    unreachable = status >= 500 or status in RETRIED
    return PullError(f"{site} answers {status} for {source}", reason or help, unreachable=unreachable)


def _hugging_face(source: HuggingFaceFile, web: Web, endpoint: str) -> Remote:
    page = f"{endpoint}/{source.repository}"
    answer = web.request("HEAD", endpoint + source.path_on("resolve"), leave_site=False)
    answer.close()
    if not is_ok(answer.status) and answer.status not in (301, 302, 303, 307, 308):
        raise refused(answer, source, page, has_token=web.has_token(endpoint))
    commit = answer.header("X-Repo-Commit") or source.revision
    # For a file in Git LFS or Xet these are of the file; ETag and Content-Length are of the redirect.
    etag = (answer.header("X-Linked-Etag") or answer.header("ETag")).removeprefix("W/").strip('"')
    size = answer.header("X-Linked-Size") or (answer.header("Content-Length") if is_ok(answer.status) else "")
    return Remote(
        url=endpoint + source.path_on("resolve", commit),
        page=page,
        revision=commit,
        sha256=etag.lower() if len(etag) == SHA256_DIGITS else "",
        license=_hugging_face_license(source, web, endpoint, commit),
        size=number(size),
    )


def _hugging_face_license(source: HuggingFaceFile, web: Web, endpoint: str, commit: str) -> str:
    """The license in the card of the repository, with its link where it is none of the usual ones."""
    answer = web.get_json(f"{endpoint}/api/models/{source.repository}/revision/{commit}")
    data = decoded(answer)
    if answer.status in RETRIED:  # what is not known now must not be recorded as if there were no license
        raise refused(answer, source, endpoint, has_token=web.has_token(endpoint))
    if not is_ok(answer.status) or not isinstance(data, dict):
        return ""
    card = _mapping(data, "cardData")
    tags = (_text(tag).partition(":")[2] for tag in _list(data, "tags") if _text(tag).startswith("license:"))
    name = _text(card.get("license_name")) or _text(card.get("license")) or next(tags, "")
    link = _text(card.get("license_link"))
    if link and "://" not in link:
        link = f"{endpoint}/{source.repository}/blob/{commit}/{link}"
    return f"{name} ({link})" if name and link else name


def _mapping(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def _list(data: Mapping[str, Any], key: str) -> Sequence[Any]:
    value = data.get(key)
    return value if isinstance(value, list) else ()


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(_text(item) for item in value)
    return printable(value) if isinstance(value, str) else ""


def _civitai(source: CivitaiFile, web: Web, endpoint: str) -> Remote:
    version = _civitai_data(source, web, endpoint, f"model-versions/{source.version}")
    page = f"{endpoint}/models/{version.get('modelId')}?modelVersionId={source.version}"
    files = [entry for entry in _list(version, "files") if isinstance(entry, dict)]
    chosen = _chosen(source, files)
    hashes = _mapping(chosen, "hashes")
    # Without a choice Civitai sends the primary file.
    choice = "" if chosen.get("primary") else f"?fileId={chosen.get('id')}"
    return Remote(
        url=f"{endpoint}/api/download/models/{source.version}{choice}",
        page=page,
        revision=str(source.version),
        sha256=str(hashes.get("SHA256") or "").lower(),
        license=_civitai_license(source, web, endpoint, version.get("modelId")),
    )


def _chosen(source: CivitaiFile, files: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The file that the source chooses; else the primary one."""
    fitting = [
        file
        for file in files
        if (source.file_id is None or file.get("id") == source.file_id)
        and all(_has(file, name, value) for name, value in source.variant)
    ]
    if not fitting:
        ids = ", ".join(f"fileId={file.get('id')} ({_text(file.get('name'))})" for file in files) or "none"
        raise PullError(f"{source} has no such file", f"its files are {ids}")
    return next((file for file in fitting if file.get("primary")), fitting[0])


def _has(file: Mapping[str, Any], name: str, value: str) -> bool:
    metadata = _mapping(file, "metadata")
    return str(file.get("type") if name == "type" else metadata.get(name)).lower() == value.lower()


def _civitai_data(source: CivitaiFile, web: Web, endpoint: str, path: str) -> Mapping[str, Any]:
    answer = web.get_json(f"{endpoint}/api/v1/{path}")
    data = decoded(answer)
    if not is_ok(answer.status):
        raise refused(answer, source, endpoint, has_token=web.has_token(endpoint))
    if not isinstance(data, dict):
        raise PullError(f"{host(endpoint)} did not answer with JSON", "try again later", unreachable=True)
    return data


def _civitai_license(source: CivitaiFile, web: Web, endpoint: str, model: object) -> str:
    """What the creator allows, in words: Civitai has permissions, and the license of the base model."""
    data = _civitai_data(source, web, endpoint, f"models/{model}")
    uses = data.get("allowCommercialUse")
    listed = [uses] if isinstance(uses, str) else _list(data, "allowCommercialUse")
    allowed = [text for use in listed if (text := _text(use)) not in ("", "None")]
    return "Civitai: " + "; ".join(_permissions(data, allowed))


def _permissions(data: Mapping[str, Any], uses: Sequence[str]) -> Iterable[str]:
    yield f"commercial use {', '.join(uses)}" if uses else "no commercial use"
    yield "no credit needed" if data.get("allowNoCredit") else "credit needed"
    yield "derivatives allowed" if data.get("allowDerivatives") else "no derivatives"
    yield "other permissions allowed" if data.get("allowDifferentLicense") else "same permissions"


def _url(source: UrlFile) -> Remote:
    return Remote(url=source.url, page=source.url)
