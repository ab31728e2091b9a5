"""`models.cacheSize`: what the mount keeps on the disk of the node, and who counts it."""

import json
import re

import pytest

from .conftest import BASE, RUNTIMES, Objects, Render, merged, nested, template

NEW = {"global": {"eksVersion": "1.35"}}
CACHE = nested("runtime.models.cacheSize", "60Gi")
GIB = 2**30


def volume(objects: Objects) -> dict[str, object]:
    [found] = [item for key, item in objects.items() if key.startswith("PersistentVolume/")]
    return dict(found["spec"], name=found["metadata"]["name"])


def test_without_a_size_nothing_is_kept(render: Render) -> None:
    spec = volume(render(NEW, one={}))

    assert spec["csi"]["volumeAttributes"] == {"bucketName": "demo-models"}  # type: ignore[index]
    assert not [option for option in spec["mountOptions"] if "cache" in option]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("size", "mib"), [("60Gi", 55296), ("1Gi", 921), ("1536Mi", 1382), ("2Ti", 1887436), ("100Gi", 92160)]
)
def test_mountpoint_removes_files_before_kubernetes_removes_the_pod(
    render: Render, size: str, mib: int
) -> None:
    """The driver 2.7.0 refuses more than the limit, and takes out an option above 95 % of it."""
    spec = volume(render(NEW, one=nested("runtime.models.cacheSize", size)))

    attributes = spec["csi"]["volumeAttributes"]  # type: ignore[index]
    assert attributes["cache"] == "emptyDir"
    assert attributes["cacheEmptyDirSizeLimit"] == size
    assert f"max-cache-size={mib}" in spec["mountOptions"]  # type: ignore[operator]


def claims(objects: Objects, *runtimes: str) -> list[str]:
    """The claims of the models in the pods of these runtimes, all of which exist."""
    found = []
    for name in runtimes:
        [models] = [one for one in objects.pod(name)["volumes"] if one["name"] == "models"]
        found.append(models["persistentVolumeClaim"]["claimName"])
    assert {f"PersistentVolumeClaim/{claim}" for claim in found} <= set(objects)
    return found


def test_a_volume_with_another_cache_is_another_volume(render: Render) -> None:
    """Kubernetes refuses changes of the attributes of a volume."""
    before, after = render(NEW, one={}), render(NEW, one=CACHE)

    assert volume(before)["name"] == "demo-one"
    assert claims(before, "one") == ["one-models"]
    name = str(volume(after)["name"])
    assert re.fullmatch(r"demo\.cache-60gi-[0-9a-f]{8}", name)
    assert volume(after)["csi"]["volumeHandle"] == name  # type: ignore[index]
    [claim] = claims(after, "one")
    assert claim == name.replace("demo", "models")
    assert volume(after)["claimRef"]["name"] == claim  # type: ignore[index]
    assert after[f"PersistentVolumeClaim/{claim}"]["spec"]["volumeName"] == name


def test_runtimes_with_the_same_mount_share_volume_and_cache(render: Render) -> None:
    options = nested("runtime.persistence.s3.mountOptions", ["debug", "--metadata-ttl=300"])
    other_order = nested("runtime.persistence.s3.mountOptions", ["metadata-ttl 300", "debug"])

    objects = render(NEW, a=merged(CACHE, options), b=merged(CACHE, other_order), c=options)

    first, second, third = claims(objects, "a", "b", "c")
    assert first == second
    assert third == "c-models"
    assert len(objects.kinds("PersistentVolume")) == len(objects.kinds("PersistentVolumeClaim")) == 2


DIFFERENCES = {
    "runtime.models.cacheSize": "61440Mi",
    "runtime.persistence.s3.modelBucket": "others",
    "runtime.persistence.s3.mountOptions": ["prefix a/"],
    "runtime.persistence.size": "1Ti",
    "runtime.persistence.accessModes": ["ReadWriteMany"],
    "namespace": "elsewhere",
}


@pytest.mark.parametrize("path", DIFFERENCES)
def test_what_differs_is_not_shared(render: Render, path: str) -> None:
    objects = render(NEW, a=CACHE, b=merged(CACHE, nested(path, DIFFERENCES[path])))

    first, second = claims(objects, "a", "b")
    assert first != second
    volumes = objects.kinds("PersistentVolume")
    assert len({item["metadata"]["name"] for item in volumes}) == 2
    assert len({item["spec"]["csi"]["volumeHandle"] for item in volumes}) == 2


def test_a_shared_volume_has_the_labels_and_annotations_of_all(render: Render) -> None:
    def persistence(**own: str) -> dict[str, object]:
        return {"runtime": {"persistence": {"labels": own, "annotations": own}}}

    objects = render(
        NEW, a=merged(CACHE, persistence(team="x", a="1")), b=merged(CACHE, persistence(team="y", b="2"))
    )

    for kind in ("PersistentVolume", "PersistentVolumeClaim"):
        [item] = objects.kinds(kind)
        labels = item["metadata"]["labels"]
        assert item["metadata"]["annotations"] == {"team": "x", "a": "1", "b": "2"}
        assert labels.items() >= {"team": "x", "a": "1", "b": "2"}.items()
        # Not the name of one runtime: the volume is that of both.
        assert labels["app.kubernetes.io/instance"] == "release"


def test_two_releases_have_a_volume_each(render: Render) -> None:
    """Helm refuses an object that another release has made."""
    values = json.dumps(merged(BASE, {**NEW, "runtimes": {"one": CACHE}}))
    first, second = (volume(template(str(RUNTIMES), values, release=name))["name"] for name in ("a", "b"))
    assert first != second


BOTH = {"requests": {"ephemeral-storage": "1G"}, "limits": {"ephemeral-storage": "3Gi"}}


@pytest.mark.parametrize(
    ("resources", "requested", "limit"),
    [
        ({}, 60 * GIB, None),
        ({"requests": {"ephemeral-storage": "2Gi"}}, 62 * GIB, None),
        ({"limits": {"ephemeral-storage": "3Gi"}}, 63 * GIB, 63 * GIB),
        (BOTH, 60 * GIB + 10**9, 63 * GIB),
    ],
)
def test_a_pod_requests_the_disk_of_the_cache(
    render: Render, resources: dict[str, object], requested: int, limit: int | None
) -> None:
    values = merged(CACHE, nested("runtime.queueAgent.resources", resources))

    pod = render(NEW, one=values).pod("one")

    [agent] = [one for one in pod["containers"] if one["name"] == "queue-agent"]
    assert int(agent["resources"]["requests"]["ephemeral-storage"]) == requested
    assert agent["resources"].get("limits", {}).get("ephemeral-storage") == (limit and str(limit))


def test_a_placeholder_holds_the_disk_of_the_cache_too(render: Render) -> None:
    values = merged(CACHE, nested("runtime.scaling.warm", [{"nodes": 1}]))

    pod = render(NEW, one=values)["Deployment/one-placeholder"]["spec"]["template"]["spec"]

    [agent] = [one for one in pod["containers"] if one["name"] == "queue-agent"]
    assert int(agent["resources"]["requests"]["ephemeral-storage"]) == 60 * GIB
