"""Compares the charts that Helm has downloaded with what is on record of them. Pure."""

import hashlib
import io
import tarfile
import zlib

from generator.facts.versions import ChartDigests

# What Helm renders of a chart. Not `Chart.yaml`, which Helm writes anew when it packages a chart.
RENDERED = ("values.yaml", "values.schema.json", "templates/", "crds/", "charts/")


def content_digest(archive: bytes) -> str:
    """The SHA-256 of what Helm renders of a chart, however it is packaged.

    That of the lines that `sha256sum` prints for the files, sorted by path: in a checkout of the chart
    `find -L values.yaml templates crds -type f | LC_ALL=C sort | xargs sha256sum | sha256sum`.
    Raises tarfile.TarError, EOFError, OSError and zlib.error for a broken archive.
    """
    digests = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        for entry in files:
            path = entry.name.partition("/")[2]
            if path.startswith(RENDERED):
                file = files.extractfile(entry)
                digests[path] = hashlib.sha256(file.read() if file else b"").hexdigest()
    lines = (f"{digest}  {path}\n" for path, digest in sorted(digests.items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def unexpected(archive: str, content: bytes, digests: ChartDigests) -> str | None:
    """What is wrong with a downloaded archive, by its file name; None when it is the one on record."""
    if archive in digests.archives:
        expected, digest, what = digests.archives[archive], hashlib.sha256(content).hexdigest(), "its SHA-256"
    elif archive in digests.contents:
        try:
            expected, digest, what = digests.contents[archive], content_digest(content), "that of its files"
        except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
            return f"{archive} is not a chart ({error}). Nothing was installed. Download it again"
    else:
        return f"{archive} has no SHA-256 on record: run `make chart-digests`"
    if expected == digest:
        return None
    return (
        f"{archive} is not the chart that this version was tested with: "
        f"{what} is {digest}, not {expected}. "
        "Nothing was installed. Download it again; if the digest stays, report it to the chart's maintainers"
    )
