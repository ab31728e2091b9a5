#!/usr/bin/env python3
"""A Helm post-renderer: points NodePools at the kwok provider's node class. Nothing else is changed."""

import sys

import yaml


def main() -> None:
    """Manifests from stdin to stdout."""
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
