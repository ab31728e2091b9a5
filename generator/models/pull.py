"""Copies one model file from its source into the bucket: nothing is written to a disk on the way."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from typing import Literal

from generator.facts.model_types import SAFETENSORS
from generator.models import contents, header
from generator.models.fetch import Fetcher, Opened, check_start
from generator.models.header import HeaderError
from generator.models.remote import Remote
from generator.models.store import Present, Record, Store, Upload, metadata, part_bytes
from generator.models.web import PullError, Web
from generator.solution.model_file import ModelFile

UPLOADS = 4
Outcome = Literal["copied", "present", "would copy"]


@dataclass(frozen=True)
class Copy:
    """What was done with one file, and what is known about it now. `warning`: empty if there is none."""

    outcome: Outcome
    record: Record
    warning: str = ""


class Pull:
    """One file on its way to one object. `progress` is called with the bytes read so far, and their total."""

    def __init__(
        self, file: ModelFile, remote: Remote, web: Web, store: Store, progress: Callable[[int, int], None]
    ) -> None:
        self._file, self._remote, self._store, self._progress = file, remote, store, progress
        self._fetcher = Fetcher(file.source, remote, web)
        self._warning = ""

    def run(self, *, dry_run: bool = False, overwrite: bool = False) -> Copy:
        """Copy the file unless it is there. Raises PullError, and then leaves no object with wrong bytes."""
        expected = self._expected()
        present, record = self._store.present(), self._store.record()
        if present and record and self._is_ours(present, record, expected):
            return Copy("present", record)
        opened = self._fetcher.open()
        fresh = self._fresh(opened, expected)
        if present and record and self._is_unchanged(present, record, opened, expected):
            return Copy("present", record)
        ours = present is not None and record is not None and record.is_about(present.etag)
        if present and not ours and not overwrite:
            return self._adopted(present, fresh, record, dry_run=dry_run)
        if dry_run:
            return Copy("would copy", fresh)
        replaced = replace(fresh, replaces=present.etag if present else "")
        done = replace(self._copy(opened, replaced, record), replaces="")
        self._store.write_record(done)
        return Copy("copied", done, self._warning)

    def _expected(self) -> str:
        """The SHA-256 that the file must have, by the config and by its source; empty if neither says it."""
        given, published = self._file.sha256 or "", self._remote.sha256
        if given and published and given != published:
            message = f"the source publishes the SHA-256 {published}, and the config has {given}"
            raise PullError(message, "correct sha256, or name the commit or version that has this file")
        return given or published

    def _is_ours(self, present: Present, record: Record, expected: str) -> bool:
        """Whether the object is the one that the record is about, and has the bytes that are expected."""
        return bool(expected) and record.etag == present.etag and record.sha256 == expected

    def _is_unchanged(self, present: Present, record: Record, opened: Opened, expected: str) -> bool:
        """The same for a file without a checksum: its size and its ETag at the source are those of then."""
        now = (str(self._file.source), opened.size, opened.etag)
        same = (record.source, record.size, record.source_etag) == now
        return not expected and record.etag == present.etag and same

    def _adopted(self, present: Present, record: Record, earlier: Record | None, *, dry_run: bool) -> Copy:
        """An object of which no record says what it is, if it has the right bytes. Raises PullError.

        A run that was ended between the last part and the record leaves one.
        """
        ended = earlier is not None and self._is_complete(earlier, record)
        if (record.sha256 or ended) and present.size == record.size:
            checksum = present.sha256 or self._store.sha256(present.etag)
            if checksum == record.sha256 or (ended and not record.sha256):
                done = replace(record, etag=present.etag, sha256=checksum)
                if not dry_run:
                    self._store.write_record(done)
                return Copy("present", done)
        help = "give this file another name (`file`), or replace it with --overwrite"
        raise PullError("another file with this name is in the bucket", help)

    def _fresh(self, opened: Opened, expected: str) -> Record:
        remote = self._remote
        return Record(
            source=str(self._file.source),
            page=remote.page,
            revision=remote.revision,
            license=self._file.license or remote.license,
            sha256=expected,
            size=opened.size,
            source_etag=opened.etag,
        )

    def _copy(self, opened: Opened, record: Record, earlier: Record | None) -> Record:
        size = part_bytes(opened.size)
        parts = self._fetcher.parts(opened, size)
        first = next(parts, b"")
        record = self._started(first, record)
        upload = self._resumed(record, earlier)
        if opened.size <= size:
            self._progress(len(first), opened.size)
            record = self._checked(hashlib.sha256(first).hexdigest(), record)
            return replace(record, etag=self._store.put(first, record))
        upload = upload or self._begun(record)
        try:
            digest, count = self._send_all(chain((first,), parts), opened, upload)
            record = self._checked(digest, record)
        except PullError as error:
            if not error.unreachable:
                with suppress(PullError):  # the first error is the one to show
                    self._store.abort(upload)
            raise
        return replace(record, etag=self._store.complete(upload, count))

    def _resumed(self, record: Record, earlier: Record | None) -> Upload | None:
        """The upload of an earlier run. That of another file is dropped: S3 bills parts that nobody drops."""
        if earlier is None or not earlier.upload:
            return None
        # S3 keeps the metadata with which an upload began.
        if self._same_source(earlier, record) and metadata(earlier) == metadata(record):
            return self._store.resume(earlier.upload)
        self._store.abort(Upload(earlier.upload))
        return None

    def _is_complete(self, earlier: Record, record: Record) -> bool:
        """Whether an earlier run sent all parts of this file, and was ended before it wrote the record."""
        if not earlier.upload or not self._same_source(earlier, record):
            return False
        return self._store.resume(earlier.upload) is None

    def _same_source(self, earlier: Record, record: Record) -> bool:
        return (earlier.source, earlier.size) == (record.source, record.size)

    def _begun(self, record: Record) -> Upload:
        upload = self._store.begin(record)
        try:
            self._store.write_record(replace(record, upload=upload.id))
        except PullError:  # no other run would find it
            with suppress(PullError):
                self._store.abort(upload)
            raise
        return upload

    def _send_all(self, parts: Iterable[bytes], opened: Opened, upload: Upload) -> tuple[str, int]:
        """Read and send all parts; the SHA-256 of the file, the number of parts.

        What S3 has of an earlier run is read again, for the checksum of the whole, and is not sent again.
        """
        digest, read, number = hashlib.sha256(), 0, 0
        sending: deque[Future[bool]] = deque()
        with ThreadPoolExecutor(UPLOADS) as pool:
            for number, data in enumerate(parts, 1):
                digest.update(data)
                sending.append(pool.submit(self._store.send, upload, number, data))
                if len(sending) >= UPLOADS:
                    sending.popleft().result()
                read += len(data)
                self._progress(read, opened.size)
            for future in sending:
                future.result()
        return digest.hexdigest(), number

    def _started(self, first: bytes, record: Record) -> Record:
        """Look at the first part before much is copied. Raises PullError for what is not a model file."""
        check_start(first, self._file.path)
        if not self._file.path.lower().endswith(SAFETENSORS):
            return record
        try:
            length = header.length(first)
            text = first[header.LENGTH_BYTES : header.LENGTH_BYTES + length]
            if len(text) < length:  # a header of more than 16 MiB
                return record
            parsed = header.parse(text)
        except HeaderError as error:
            raise PullError(f"it is not a safetensors file: {error}", "use another source") from error
        if parsed.file_size != record.size:
            message = f"the file has {record.size} bytes, and its header describes {parsed.file_size}"
            raise PullError(message, "it is damaged at its source")
        found = contents.contents(parsed)
        if found.kind and found.kind != self._file.type and {found.kind, self._file.type} != _ALIKE:
            self._warning = (
                f"this is a {found.kind} by its contents, and models[].type says {self._file.type}"
            )
        return replace(record, contents=str(found))

    def _checked(self, digest: str, record: Record) -> Record:
        if record.sha256 and digest != record.sha256:
            message = f"the SHA-256 is {digest}, not {record.sha256}: nothing was stored"
            raise PullError(message, "if the file changed at its source on purpose, correct sha256")
        return replace(record, sha256=digest)


# Runtimes with one folder for both load either of them.
_ALIKE = {"checkpoint", "diffusionModel"}
