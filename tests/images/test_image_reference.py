"""The one parser of image names."""

import pytest

from generator.facts import image_reference
from generator.facts.image_reference import EcrRegistry, ImageReference

DIGEST = f"sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("sd-on-eks/comfyui:0.8.0", ("", "sd-on-eks/comfyui", "0.8.0", "")),
        ("ghcr.io/kedacore/keda:2.20.2", ("ghcr.io", "kedacore/keda", "2.20.2", "")),
        ("localhost/tool", ("localhost", "tool", "", "")),
        ("registry.test:5000/team/tool", ("registry.test:5000", "team/tool", "", "")),
        (f"quay.io/team/mine@{DIGEST}", ("quay.io", "team/mine", "", DIGEST)),
        (f"tool:1@{DIGEST}", ("", "tool", "1", DIGEST)),
    ],
)
def test_a_name_is_split_into_its_parts_and_joined_again(name: str, parts: tuple[str, ...]) -> None:
    reference = image_reference.parse(name)

    assert reference == ImageReference(*parts)
    assert str(reference) == name


@pytest.mark.parametrize(
    ("name", "moved"),
    [
        ("ghcr.io/kedacore/keda:2", "mirror.test/team/kedacore/keda:2"),
        ("sd-on-eks/comfyui", "mirror.test/team/sd-on-eks/comfyui"),
    ],
)
def test_another_registry_takes_the_place_of_the_one_in_the_name(name: str, moved: str) -> None:
    assert str(image_reference.parse(name).in_registry("mirror.test/team")) == moved


def test_an_ecr_registry_has_an_account_and_a_region() -> None:
    host = image_reference.ecr_host("123456789012", "cn-north-1", "amazonaws.com.cn")

    assert image_reference.parse(f"{host}/team/tool:1").ecr == EcrRegistry("123456789012", "cn-north-1")
    assert image_reference.parse("public.ecr.aws/karpenter/controller").ecr is None
