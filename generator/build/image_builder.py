"""The stack with the CodeBuild project that builds container images, so that nobody needs Docker."""

from generator.build import jinja, yaml_text
from generator.build.resources import tag_list
from generator.iam import image_builder, policy
from generator.solution import limits, names
from generator.solution.model import Solution

# In a folder: `generator deploy` does not apply it.
FILE = "images/stack.yaml"
# With Docker and buildx. https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-available.html
BUILD_IMAGE = "aws/codebuild/standard:7.0"
BUILD_MINUTES = 120
# The variable with the name of the image that a build pushes.
IMAGE = "IMAGE"


def buildspec() -> str:
    """What a build runs, in the folder of its source: generator/deploy/image_source.py has its layout."""
    push = (
        "docker buildx build --platform linux/amd64 --build-context files=files"
        f' --build-context custom-nodes=custom-nodes --file Dockerfile --tag "${IMAGE}" --push context'
    )
    region = '"$AWS_DEFAULT_REGION"'
    sign_in = (
        f"aws ecr get-login-password --region {region}"
        f' | docker login --username AWS --password-stdin "${{{IMAGE}%%/*}}"'
    )
    phases = {"pre_build": {"commands": [sign_in]}, "build": {"commands": [push]}}
    return yaml_text.dump({"version": 0.2, "env": {"shell": "bash"}, "phases": phases}).rstrip("\n")


def template(solution: Solution) -> str:
    """The CloudFormation template of the stack."""
    return jinja.render(
        "stack/images.yaml.j2",
        solution=solution,
        names=names,
        limits=limits,
        tags=tag_list(solution.resource_tags()),
        project_arn=policy.arn(solution, "codebuild", f"project/{names.image_builder(solution.stack)}"),
        policy=image_builder.role(solution),
        buildspec=buildspec(),
        build_image=BUILD_IMAGE,
        build_minutes=BUILD_MINUTES,
    )
