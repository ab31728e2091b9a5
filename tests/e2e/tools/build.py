"""Build the control plane for tests/e2e from Go modules into .cache/e2e, unless it is up to date.

Each folder next to this file is a Go module that pins one project (go.mod) with its checksums (go.sum).
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = HERE.parents[2] / ".cache" / "e2e"
BIN = CACHE / "bin"
CRDS = CACHE / "crds"

K8S_VERSION = "v1.28.15"
K8S_FLAGS = (
    f"-X k8s.io/component-base/version.gitVersion={K8S_VERSION} "
    "-X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=28"
)


# Projects of 2024 are built with a Go toolchain of that time: newer ones reject some of the symbols that
# their dependencies link to.
OLD_GO, NEW_GO = "go1.22.12", "go1.25.5"


@dataclass(frozen=True)
class Tool:
    """One binary: the module folder that pins it, its Go package, the toolchain to build it with."""

    name: str
    module: str
    package: str
    go: str
    ldflags: str = ""


TOOLS = (
    Tool("etcd", "etcd", "go.etcd.io/etcd/server/v3", OLD_GO),
    Tool("kwok", "kwok", "sigs.k8s.io/kwok/cmd/kwok", NEW_GO),
    Tool("kube-apiserver", "kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver", OLD_GO, K8S_FLAGS),
    Tool(
        "kube-controller-manager",
        "kubernetes",
        "k8s.io/kubernetes/cmd/kube-controller-manager",
        OLD_GO,
        K8S_FLAGS,
    ),
    Tool("kube-scheduler", "kubernetes", "k8s.io/kubernetes/cmd/kube-scheduler", OLD_GO, K8S_FLAGS),
    Tool("karpenter-kwok", "karpenter", "sigs.k8s.io/karpenter/kwok", NEW_GO),
    Tool("keda-operator", "keda", "github.com/kedacore/keda/v2/cmd/operator", OLD_GO),
    Tool("keda-adapter", "keda", "github.com/kedacore/keda/v2/cmd/adapter", OLD_GO),
    Tool("keda-webhooks", "keda", "github.com/kedacore/keda/v2/cmd/webhooks", OLD_GO),
    Tool("actionlint", "actionlint", "github.com/rhysd/actionlint/cmd/actionlint", NEW_GO),
)

# Folders of CRDs inside the modules: (module folder, Go module path, folder in it).
CRD_SOURCES = (
    ("keda", "github.com/kedacore/keda/v2", "config/crd/bases"),
    ("karpenter", "sigs.k8s.io/karpenter", "pkg/apis/crds"),
    ("karpenter", "sigs.k8s.io/karpenter", "kwok/apis/crds"),
    ("karpenter-aws", "github.com/aws/karpenter-provider-aws", "pkg/apis/crds"),
)


def environment(go: str) -> dict[str, str]:
    """The environment of `go`: one toolchain, sources exactly as pinned."""
    return os.environ | {"GOTOOLCHAIN": go, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -trimpath"}


def stamp(tool: Tool) -> str:
    """A hash of the sources of a binary: it is rebuilt when this changes."""
    module = HERE / tool.module
    text = (module / "go.mod").read_bytes() + (module / "go.sum").read_bytes()
    text += (tool.go + tool.ldflags).encode()
    return hashlib.sha256(text).hexdigest()


def mark(tool: Tool) -> Path:
    """The file with the stamp of the built binary."""
    return BIN / f".{tool.name}"


def missing(tool: Tool) -> bool:
    """Whether the tool is missing or was built from other sources."""
    return not mark(tool).exists() or mark(tool).read_text() != stamp(tool)


def build(tool: Tool) -> None:
    """Compile one tool into .cache/e2e/bin."""
    begin = time.monotonic()
    print(f"  {tool.name:<24}", end="", flush=True)
    command = ["go", "build", "-ldflags", f"-s -w {tool.ldflags}", "-o", str(BIN / tool.name), tool.package]
    subprocess.run(command, cwd=HERE / tool.module, env=environment(tool.go), check=True)
    mark(tool).write_text(stamp(tool))
    print(f"{time.monotonic() - begin:6.0f} s", flush=True)


def copy_crds() -> None:
    """Copy the CRDs of KEDA, Karpenter and its AWS provider out of the modules."""
    CRDS.mkdir(parents=True, exist_ok=True)
    for folder, module, inside in CRD_SOURCES:
        listed = subprocess.run(
            ["go", "mod", "download", "-json", module],
            cwd=HERE / folder,
            env=environment(NEW_GO),
            check=True,
            capture_output=True,
            text=True,
        )
        home = next(line.split('"')[3] for line in listed.stdout.splitlines() if '"Dir"' in line)
        for source in sorted((Path(home) / inside).glob("*.yaml")):
            (CRDS / source.name).write_bytes(source.read_bytes())


def main() -> None:
    """Build the missing tools."""
    if shutil.which("go") is None:
        sys.exit(
            "make e2e needs Go 1.21 or later on PATH (it fetches the exact toolchains by itself): "
            "install it (package golang, or https://go.dev/dl), then run `make e2e` again"
        )
    BIN.mkdir(parents=True, exist_ok=True)
    if tools := [tool for tool in TOOLS if missing(tool)]:
        print("building the control plane (once; about 20 minutes on 2 cores)", flush=True)
        for tool in tools:
            build(tool)
    copy_crds()


if __name__ == "__main__":
    main()
