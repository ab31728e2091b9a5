"""Opens model files that are downloaded next to the mount, in the place of those of the same name on it.

A container of the pod downloads them while this one starts (queue_agent/models). A program that opens one
waits until it is complete; if it cannot be downloaded, the program reads the mount, and says so. The program
goes on to use the path on the mount.
"""
# ruff: noqa: PTH110, PTH116, PTH118, PTH119 (a Path would be opened by what is replaced here)

import builtins
import functools
import io
import json
import os
import sys
import time

CONFIG = "/etc/sd-on-eks/direct-models.json"
PAUSE_SECONDS = 0.05
# Nothing has arrived for so long: the container that downloads is not there.
SILENCE_SECONDS = 60
open_file, open_descriptor = io.open, os.open


class Direct:
    """The files that are downloaded: `models` is the mount, `folder` has what is downloaded of it."""

    def __init__(self, models, folder, files, clock=time.time, sleep=time.sleep):
        self._models, self._folder, self._clock, self._sleep = models, folder, clock, sleep
        self._files = set(files)
        self._names = {os.path.basename(name) for name in files}
        self._began, self._mounted = clock(), set()

    def path(self, path, wait=True):
        """The path to open instead of this one; the same for any other file."""
        name = self._name(path)
        if name is None:
            return path
        here = os.path.join(self._folder, name)
        while name not in self._mounted:
            if os.path.exists(here):
                return here
            if not wait:
                return path
            reason = self._failure(here)
            if reason:
                self._mounted.add(name)
                sys.stderr.write(f"sd-on-eks: {name} is read from the mount, which is slower: {reason}\n")
                break
            self._sleep(PAUSE_SECONDS)
        return path

    def _name(self, path):
        """The name of a file below the mount that is downloaded; None for any other path."""
        try:
            text = os.fsdecode(path)
        except TypeError:  # a descriptor
            return None
        if os.path.basename(text) not in self._names:
            return None
        name = os.path.relpath(os.path.realpath(text), os.path.realpath(self._models))
        return name if name in self._files else None

    def _failure(self, here):
        try:
            with open_file(here + ".failed") as file:
                return file.read() or "the download failed"
        except FileNotFoundError:
            pass
        try:
            last = os.stat(os.path.join(self._folder, ".progress")).st_mtime
        except FileNotFoundError:
            last = 0
        silent = self._clock() - max(last, self._began)
        return f"nothing has arrived for {silent:.0f} s" if silent > SILENCE_SECONDS else ""


class OpenFile:
    """In the place of the built-in `open`.

    An object, not a function: classes keep it as an attribute (`pathlib` of Python 3.10 does), and there a
    function would become a method, which the built-in does not.
    """

    def __init__(self, direct, waits):
        self._direct, self._waits = direct, waits
        functools.update_wrapper(self, open_file)

    def __call__(self, file, mode="r", *more, **named):
        """Open a file; one that is downloaded and only read, where it is downloaded."""
        if isinstance(mode, str) and "r" in mode and "+" not in mode:
            file = self._direct.path(file, self._waits())
        return open_file(file, mode, *more, **named)


class OpenDescriptor:
    """In the place of `os.open`; an object for the same reason."""

    def __init__(self, direct, waits):
        self._direct, self._waits = direct, waits
        functools.update_wrapper(self, open_descriptor)

    def __call__(self, path, flags, *more, **named):
        """Open a descriptor; of a file that is downloaded and only read, where it is downloaded."""
        if flags & (os.O_WRONLY | os.O_RDWR) == 0 and not flags & getattr(os, "O_DIRECTORY", 0):
            path = self._direct.path(path, self._waits())
        return open_descriptor(path, flags, *more, **named)


def install(direct, waits):
    """Put the replacement into the functions that open files to read; `waits` says whether to wait now."""
    builtins.open = io.open = OpenFile(direct, waits)
    os.open = OpenDescriptor(direct, waits)
    # What asks whether `os.open` takes `dir_fd`, such as `shutil.rmtree`, means this one from now on.
    os.supports_dir_fd.add(os.open)


def load(waits):
    """Install it if the pod downloads files; the object that was installed, or None."""
    try:
        with open_file(CONFIG) as file:
            config = json.load(file)
    except FileNotFoundError:
        return None
    direct = Direct(config["models"], config["folder"], config["files"])
    install(direct, waits)
    return direct
