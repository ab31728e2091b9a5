"""`generator images --lock` and `--codebuild`: locks custom nodes of ComfyUI, builds images in AWS."""

import argparse
import sys
from collections.abc import Sequence

from generator import app, jobs
from generator.app import Solved
from generator.build.folder import NotOursError
from generator.cli import output
from generator.deploy import image_builder, node_lock
from generator.deploy.image_builder import BuiltImage
from generator.deploy.job import RefusedError
from generator.errors import AwsError, Exit
from generator.images.images import Image
from generator.solution import custom_nodes
from generator.solution.model import Solution


def unlocked(solution: Solution) -> str:
    """Why the images cannot be built: custom nodes without their lock; empty if they can."""
    names = [
        item.name for item in solution.runtimes if item.custom_nodes and item.custom_nodes.locked is None
    ]
    if not names:
        return ""
    return f"the custom nodes of {', '.join(names)} are not locked: run `generator images --lock` first"


def lock(solved: Solved, args: argparse.Namespace) -> Exit:
    """Write the lock of each runtime with custom nodes, next to the config."""
    folder, written = app.folder_of(solved.config), []
    terminal = output.terminal(args)
    try:
        for runtime in solved.solution.runtimes:
            if runtime.custom_nodes:
                file = folder / custom_nodes.lock_name(runtime.name)
                file.write_text(node_lock.lock(runtime.name, runtime.custom_nodes, terminal.say), "utf-8")
                terminal.say(f"wrote {file}: keep it with the config")
                written.append(str(file))
    except (RefusedError, OSError) as error:
        return output.stopped("images", error)
    if not written:
        print("no runtime has custom nodes: nothing to lock", file=sys.stderr)
    if args.format == "json":
        output.write_json({"locks": written})
    return Exit.DONE


def build(solved: Solved, listed: Sequence[Image], args: argparse.Namespace) -> Exit:
    """Build the images of this project's folders with CodeBuild, and print their digests."""
    images = [image for image in listed if image.how == "built"]
    terminal = output.terminal(args)
    try:
        job = jobs.changing(solved, args.output, terminal, dry_run=args.dry_run)
        built = image_builder.run(job, images, again=args.again)
    except (RefusedError, NotOursError, AwsError, OSError) as error:
        return output.stopped("images", error)
    if args.format == "json":
        output.write_json([_as_data(item) for item in built])
    else:
        _print(built, args)
    return Exit.DONE


def _as_data(item: BuiltImage) -> dict[str, object]:
    return {
        "part": item.image.part,
        "name": item.image.tagged,
        "digest": item.digest,
        "built": item.is_new,
        "runtime": item.image.custom_nodes_of or None,
    }


def _print(built: Sequence[BuiltImage], args: argparse.Namespace) -> None:
    table = output.new_table("part", "image", "digest", "")
    for item in built:
        state = "built" if item.is_new else "was there"
        output.add_row(table, (item.image.part, item.image.tagged, item.digest, state))
    output.print_table(table, args)
    for item in built:
        if item.image.custom_nodes_of:
            output.say(_in_config(item))


def _in_config(item: BuiltImage) -> str:
    """The lines of the config that name an image with custom nodes by its digest."""
    tag = item.image.tag
    return (
        f"\nIn the config, under the runtime {item.image.custom_nodes_of}:\n"
        "    extraValues:\n      runtime:\n        inferenceApi:\n          image:\n"
        f"            tag: {tag}\n            digest: {item.digest}"
    )
