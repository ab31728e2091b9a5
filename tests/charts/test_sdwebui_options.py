"""files/sitecustomize.py: what a request to SD WebUI overrides is undone, whatever its config.json holds."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from .conftest import RUNTIMES

# As much of modules/options.py as matters: the same in A1111 1.10.1 and in Forge.
OPTIONS = '''
import json

class OptionInfo:
    def __init__(self, default, do_not_save=False):
        self.default, self.do_not_save = default, do_not_save

class Options:
    def __init__(self, labels):
        self.data_labels = labels
        self.data = {key: info.default for key, info in labels.items() if not info.do_not_save}

    def load(self, filename):
        """Replaces all data."""
        try:
            with open(filename) as file:
                self.data = json.load(file)
        except FileNotFoundError:
            self.data = {}
'''
# As process_images in modules/processing.py does it.
REQUEST = """
from modules.options import OptionInfo, Options

opts = Options({
    "CLIP_stop_at_last_layers": OptionInfo(1), "samples_format": OptionInfo("png"),
    "sd_model_checkpoint": OptionInfo(None), "live_previews_enable": OptionInfo(True),
    "explanation": OptionInfo("text", do_not_save=True),
})
opts.load(FILE)

def request(**overrides):
    stored = {key: opts.data[key] for key in overrides if key in opts.data}
    opts.data.update(overrides)
    opts.data.update(stored)

request(CLIP_stop_at_last_layers=2, samples_format="jpg", sd_model_checkpoint="a")
print(json.dumps(opts.data))
"""


def options_after(tmp_path: Path, file: str, *, shim: bool) -> dict[str, object]:
    """The options after a request that overrides some, with this config.json."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "options.py").write_text(OPTIONS)
    (tmp_path / "config.json").write_text(file)
    path = [str(RUNTIMES / "files")] if shim else []
    program = f"import json\nFILE = {str(tmp_path / 'config.json')!r}\n{REQUEST}"
    output = subprocess.run(
        [sys.executable, "-B", "-c", program],
        env={"PYTHONPATH": ":".join([*path, str(tmp_path)])},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return dict(json.loads(output))


def of_the_chart() -> str:
    profile = yaml.safe_load((RUNTIMES / "profiles" / "sdwebui.yaml").read_text())
    return str(profile["files"]["config.json"])


@pytest.mark.parametrize("file", [of_the_chart(), "{}", '{"samples_format": "webp"}'])
def test_the_options_are_those_of_before(tmp_path: Path, file: str) -> None:
    after = options_after(tmp_path, file, shim=True)

    defaults = {"CLIP_stop_at_last_layers": 1, "samples_format": "png", "live_previews_enable": True}
    # The checkpoint stays: the next request names its own.
    assert after == {**defaults, **json.loads(file), "sd_model_checkpoint": "a"}


def test_without_the_file_they_would_stay(tmp_path: Path) -> None:
    after = options_after(tmp_path, of_the_chart(), shim=False)

    assert (after["CLIP_stop_at_last_layers"], after["samples_format"]) == (2, "jpg")
