"""Models: the bucket as a read-only folder."""

from collections.abc import Callable

from .conftest import Objects, Render


def test_volume_and_claim_belong_to_each_other_alone(types: Objects) -> None:
    for name in ("static", "comfy"):
        volume = types[f"PersistentVolume/demo-{name}"]["spec"]
        claim = types[f"PersistentVolumeClaim/{name}-models"]
        assert volume["claimRef"] == {
            "namespace": claim["metadata"]["namespace"],
            "name": claim["metadata"]["name"],
        }
        assert claim["spec"]["volumeName"] == f"demo-{name}"
        assert volume["storageClassName"] == claim["spec"]["storageClassName"] == ""
        assert volume["accessModes"] == claim["spec"]["accessModes"] == ["ReadOnlyMany"]
        assert volume["capacity"]["storage"] == claim["spec"]["resources"]["requests"]["storage"] == "2Ti"


def test_every_volume_has_a_handle_of_its_own(types: Objects) -> None:
    handles = [item["spec"]["csi"]["volumeHandle"] for item in types.kinds("PersistentVolume")]
    assert len(handles) == len(set(handles)) == 5


def test_the_bucket_is_mounted_read_only_from_its_region(types: Objects) -> None:
    volume = types["PersistentVolume/demo-static"]["spec"]
    assert volume["csi"]["driver"] == "s3.csi.aws.com"
    assert volume["csi"]["volumeAttributes"] == {"bucketName": "demo-models"}
    options = volume["mountOptions"]
    assert {"read-only", "region us-west-2", "uid=1000"} <= set(options)
    assert not {"allow-delete", "allow-overwrite"} & set(options)


def test_options_of_the_user_follow_those_of_the_chart_in_one_form(
    with_value: Callable[..., Objects],
) -> None:
    options = ["--prefix  my models/", "metadata-ttl=indefinite", " --debug "]
    rendered = with_value("runtime.persistence.s3.mountOptions", options)
    volume = rendered["PersistentVolume/demo-one"]["spec"]
    assert volume["mountOptions"][:5] == [
        "read-only",
        "allow-other",
        "uid=1000",
        "gid=1000",
        "region us-west-2",
    ]
    # Version 1 of the driver would end the name of "prefix a=b/" at the equals sign.
    assert volume["mountOptions"][5:] == ["prefix=my models/", "metadata-ttl=indefinite", "debug"]


def test_a_claim_of_the_users_takes_the_place_of_both(with_value: Callable[..., Objects]) -> None:
    rendered = with_value("runtime.persistence.existingClaim", "mine")
    assert not rendered.kinds("PersistentVolume") + rendered.kinds("PersistentVolumeClaim")
    assert rendered.pod("one")["volumes"][0]["persistentVolumeClaim"]["claimName"] == "mine"


def test_without_persistence_the_folder_is_empty(with_value: Callable[..., Objects]) -> None:
    rendered = with_value("runtime.persistence.enabled", False)
    assert not rendered.kinds("PersistentVolume") + rendered.kinds("PersistentVolumeClaim")
    assert rendered.pod("one")["volumes"][0] == {"name": "models", "emptyDir": {}}


def test_without_s3_the_storage_class_is_the_users(render: Render) -> None:
    def claim(**persistence: object) -> dict:
        rendered = render(one={"runtime": {"persistence": {"s3": {"enabled": False}, **persistence}}})
        assert not rendered.kinds("PersistentVolume")
        return rendered["PersistentVolumeClaim/one-models"]["spec"]

    named = claim(storageClass="efs", size="10Gi", accessModes=["ReadWriteMany"])
    assert named == {
        "accessModes": ["ReadWriteMany"],
        "resources": {"requests": {"storage": "10Gi"}},
        "storageClassName": "efs",
    }
    assert "storageClassName" not in claim(storageClass=None)


def test_labels_and_annotations_are_on_volume_and_claim(render: Render) -> None:
    persistence = {"labels": {"team": "art"}, "annotations": {"note": "x"}}
    rendered = render(one={"runtime": {"persistence": persistence}})
    for key in ("PersistentVolume/demo-one", "PersistentVolumeClaim/one-models"):
        assert rendered[key]["metadata"]["labels"]["team"] == "art"
        assert rendered[key]["metadata"]["annotations"] == {"note": "x"}


def test_every_namespaced_object_says_its_namespace(render: Render) -> None:
    rendered = render(one={"namespace": "pictures"})
    cluster = {"NodePool", "EC2NodeClass", "PersistentVolume"}
    namespaced = {key: item for key, item in rendered.items() if key.split("/")[0] not in cluster}
    assert {item["metadata"].get("namespace") for item in namespaced.values()} == {"pictures"}
    assert rendered["PersistentVolume/demo-one"]["spec"]["claimRef"]["namespace"] == "pictures"


def test_namespaces_are_made_only_when_asked_for(render: Render) -> None:
    runtimes = {"a": {"namespace": "pictures"}, "b": {"namespace": "pictures"}, "c": {}}
    assert not render(**runtimes).kinds("Namespace")
    namespaces = render({"createNamespaces": True}, **runtimes).kinds("Namespace")
    assert [item["metadata"]["name"] for item in namespaces] == ["pictures"]
    assert namespaces[0]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert namespaces[0]["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
