"""ECR: the digest of an image."""

from generator.aws import errors
from generator.aws.asker import Asker
from generator.facts.image_reference import ImageReference


def digest(image: ImageReference, asker: Asker) -> str | None:
    """The digest of an image in a private ECR registry; None if ECR does not have it.

    Raises ValueError for another registry, and what boto3 raises.
    """
    if image.ecr is None:
        raise ValueError(f"{image} is not in a private ECR registry")
    which = {"imageDigest": image.digest} if image.digest else {"imageTag": image.tag or "latest"}
    try:
        answer = asker.client("ecr", image.ecr.region).describe_images(
            registryId=image.ecr.account, repositoryName=image.path, imageIds=[which]
        )
    except errors.refusals() as error:
        if errors.code(error) not in ("ImageNotFoundException", "RepositoryNotFoundException"):
            raise
        return None
    rows = answer["imageDetails"]
    return str(rows[0]["imageDigest"]) if rows else None
