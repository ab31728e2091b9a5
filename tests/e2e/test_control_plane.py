"""The control plane itself."""

from testing.cluster.controlplane import Cluster


def test_the_api_server_is_of_the_version_that_the_product_is_made_for(control_plane: Cluster) -> None:
    assert '"gitVersion": "v1.28.15"' in control_plane.kubectl("get", "--raw", "/version")


def test_keda_serves_external_metrics(cluster: Cluster) -> None:
    assert '"groupVersion":"external.metrics.k8s.io/v1beta1"' in cluster.kubectl(
        "get", "--raw", "/apis/external.metrics.k8s.io/v1beta1"
    )


def test_karpenter_knows_its_node_class(cluster: Cluster) -> None:
    assert cluster.items("kwoknodeclasses")[0]["metadata"]["name"] == "kwok"
