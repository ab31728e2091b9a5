"""Write the picture and the tables of docs/cold-start.md from the facts and the plan (`make reference`).

With --check: fail if they differ.
"""

import sys
from pathlib import Path

from generator import app, paths
from generator.config import document
from generator.plan import bar
from generator.plan.cold_start import STAGES
from generator.plan.model import ColdStart, Stage, StageName

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "cold-start.md"
PICTURE = ROOT / "docs" / "images" / "cold-start.svg"
FIGURES, EXAMPLE = "<!-- figures: made by `make reference` -->", "<!-- example: made by `make reference` -->"
END = "<!-- end -->"
COLORS: dict[StageName, str] = {
    "keda": "#2f6fde",
    "node": "#e07b39",
    "image": "#d9b23c",
    "start": "#16a2b8",
    "model": "#9b59b6",
    "picture": "#3a9d5d",
}
LEFT, SCALE, ROW, TOP = 300, 5.6, 30, 84
# One runtime of each type with defaults, one from a snapshot; a free node and a warm pod for the first.
CONFIG = """\
stackName: example
region: us-west-2
accountId: "123456789012"
eksVersion: "1.36"
modelBucketArn: arn:aws:s3:::example-models
modelsRuntime:
  - name: sdxl
    type: sdwebui
    modelFilename: sdxl.safetensors
    extraValues:
      karpenter: &g5 {provisioner: {instanceType: [g5.xlarge]}}
      runtime:
        scaling:
          warm:
            - {nodes: 1}
            - {pods: 1, start: 0 8 * * 1-5, end: 0 18 * * 1-5}
  - {name: comfyui, type: comfyui, extraValues: {karpenter: *g5}}
  - {name: invokeai, type: invokeai, extraValues: {karpenter: *g5}}
  - name: snapshot
    type: sdwebui
    modelFilename: sdxl-2.safetensors
    extraValues:
      karpenter:
        provisioner: {instanceType: [g5.xlarge]}
        nodeTemplate:
          instanceStorePolicy: None
          dataVolume:
            snapshotID: snap-0123456789abcdef0
            volumeSize: 100Gi
            volumeInitializationRate: 300
            iops: 4000
            throughput: 1000
"""


def starts() -> tuple[ColdStart, ...]:
    """The cold starts of CONFIG."""
    return app.plan(app.solve(document.load(CONFIG, "config.yaml")).solution).cold_starts


def rows(colds: tuple[ColdStart, ...]) -> list[tuple[str, tuple[Stage, ...], str]]:
    """Label, stages and total of each bar."""
    names = {"no node": "", "placeholder": ": a free node", "warm pod": ": a warm pod"}
    return [
        (f"{cold.runtime}{names[start.name]}", start.stages, bar.seconds(start.seconds))
        for cold in colds
        for start in cold.starts
    ]


def svg(colds: tuple[ColdStart, ...]) -> str:
    """The picture: one stacked bar for each start, and the goal."""
    bars = rows(colds)
    height = TOP + ROW * len(bars) + 40
    goal = LEFT + colds[0].goal_seconds * SCALE
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 980 {height}" font-size="13"'
        ' font-family="system-ui, sans-serif" role="img" aria-labelledby="t d">',
        '  <title id="t">Cold starts by stage</title>',
        f'  <desc id="d">{"; ".join(f"{label}: {total}" for label, _, total in bars)}.</desc>',
        f'  <rect width="980" height="{height}" fill="#fafbfc"/>',
        '  <text x="20" y="28" font-size="16" font-weight="600" fill="#17222d">'
        "From a task to the first picture</text>",
    ]
    for index, (name, text) in enumerate(STAGES.items()):
        x = 20 + index * 158
        parts.append(f'  <rect x="{x}" y="44" width="12" height="12" fill="{COLORS[name]}"/>')
        parts.append(f'  <text x="{x + 18}" y="55" fill="#5a6b7b">{text}</text>')
    for index, (label, stages, total) in enumerate(bars):
        y, x = TOP + index * ROW, float(LEFT)
        parts.append(f'  <text x="20" y="{y + 15}" fill="#17222d">{label}</text>')
        for stage in stages:
            width = (stage.seconds or 0.0) * SCALE
            parts.append(
                f'  <rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="20" fill="{COLORS[stage.name]}"/>'
            )
            x += width
        parts.append(f'  <text x="{x + 6:.1f}" y="{y + 15}" fill="#17222d">{total}</text>')
    bottom = TOP + ROW * len(bars)
    parts.append(
        f'  <path d="M{goal:.1f} {TOP - 8}V{bottom}" stroke="#c0392b" stroke-dasharray="4 3" fill="none"/>'
    )
    parts.append(
        f'  <text x="{goal:.1f}" y="{bottom + 18}" text-anchor="middle" fill="#c0392b">'
        f"goal: {colds[0].goal_seconds} s</text>"
    )
    return "\n".join([*parts, "</svg>"]) + "\n"


def table(colds: tuple[ColdStart, ...]) -> str:
    """The stages of each start in seconds."""
    lines = [f"| start | {' | '.join(STAGES.values())} | total |", "|---" * (len(STAGES) + 2) + "|"]
    for label, stages, total in rows(colds):
        seconds = {stage.name: bar.seconds(stage.seconds) for stage in stages}
        lines.append(f"| {label} | {' | '.join(seconds.get(name, '–') for name in STAGES)} | {total} |")
    return "\n".join(lines) + "\n"


def figures() -> str:
    """Every figure with its source."""
    facts = app.facts().cold_start
    lines = ["| figure | value | kind | source |", "|---|---|---|---|"]
    for name, figure in facts.figures.items():
        source = figure.source.replace("docs/model-loading.md", "[model-loading.md](model-loading.md)")
        lines.append(f"| `{name}` | {figure.value:g} | {figure.kind} | {source} |")
    return "\n".join(lines) + "\n"


def page(text: str, colds: tuple[ColdStart, ...]) -> str:
    """The page with both tables made anew."""
    for marker, content in ((FIGURES, figures()), (EXAMPLE, table(colds))):
        before, _, rest = text.partition(marker + "\n")
        text = before + marker + "\n" + content + END + rest.partition(END)[2]
    return text


def main() -> None:
    """Write, or with --check compare."""
    colds = starts()
    made = {PAGE: page(PAGE.read_text("utf-8"), colds), PICTURE: svg(colds)}
    for path, text in made.items():
        if "--check" not in sys.argv:
            path.write_text(text, "utf-8")
        elif not path.is_file() or path.read_text("utf-8") != text:
            raise SystemExit(f"{path.relative_to(paths.root())} is out of date: run `make reference`")


if __name__ == "__main__":
    main()
