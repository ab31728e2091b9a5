"""Opens model files that are downloaded next to the mount, in the place of those of the same name on it.

A container of the pod downloads them while this one starts (queue_agent/models). A program that opens one
waits until it is complete; if it cannot be downloaded, the program reads the mount, and says so. The program
goes on to use the path on the mount.
"""
# ruff: noqa: PTH110, PTH116, PTH118, PTH119 (a Path would be opened by what is replaced here)

import builtins
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


def install(direct, waits):
    """Put the replacement into the functions that open files to read; `waits` says whether to wait now."""

    def opened(file, mode="r", *more, **named):
        if "r" in mode and "+" not in mode:
            file = direct.path(file, waits())
        return open_file(file, mode, *more, **named)

    def descriptor(path, flags, *more, **named):
        if flags & (os.O_WRONLY | os.O_RDWR) == 0 and not flags & getattr(os, "O_DIRECTORY", 0):
            path = direct.path(path, waits())
        return open_descriptor(path, flags, *more, **named)

    builtins.open = io.open = opened
    os.open = descriptor


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
