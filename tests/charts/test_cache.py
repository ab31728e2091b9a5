"""`models.cacheSize`: what the mount keeps on the disk of the node, and who counts it."""

import pytest

from .conftest import Objects, Render, merged, nested

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


def test_a_volume_with_another_cache_is_another_volume(render: Render) -> None:
    """Kubernetes refuses changes of the attributes of a volume."""
    before, after = render(NEW, one={}), render(NEW, one=CACHE)

    assert volume(before)["name"] == "demo-one"
    assert volume(after)["name"] == "demo-one.cache-60gi"
    assert volume(after)["csi"]["volumeHandle"] == "demo-one.cache-60gi"  # type: ignore[index]
    claim = "one-models.cache-60gi"
    assert volume(after)["claimRef"]["name"] == claim  # type: ignore[index]
    assert after[f"PersistentVolumeClaim/{claim}"]["spec"]["volumeName"] == "demo-one.cache-60gi"
    [models] = [one for one in after.pod("one")["volumes"] if one["name"] == "models"]
    assert models["persistentVolumeClaim"]["claimName"] == claim


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
