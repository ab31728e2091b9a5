#!/usr/bin/env python3
"""A Helm post-renderer that sets the kwok provider's node class in NodePools and changes nothing else."""

import sys

import yaml


def main() -> None:
    """Read manifests from stdin and write them to stdout."""
    objects = [item for item in yaml.safe_load_all(sys.stdin) if item]
    for item in objects:
        if item["kind"] == "NodePool":
            item["spec"]["template"]["spec"]["nodeClassRef"] = {
                "group": "karpenter.kwok.sh",
                "kind": "KWOKNodeClass",
                "name": "kwok",
            }
    yaml.safe_dump_all(objects, sys.stdout)


if __name__ == "__main__":
    main()
