"""The permissions of the CodeBuild project that builds images, and those of who deploys and starts it."""

from generator.iam.conditions import via_cloudformation
from generator.iam.policy import (
    Condition,
    Policy,
    Statement,
    actions,
    allow,
    arn,
    bucket_arn,
    document,
    iam_arn,
)
from generator.solution import names
from generator.solution.model import Solution

# The namespace of the default images that are built: charts/sd-runtimes/profiles and values.yaml.
REPOSITORIES = "sd-on-eks/*"
# The folder of the bucket for templates with the sources of builds.
SOURCES = "images"
_BUILD = "BatchGetBuilds BatchGetProjects ListBuildsForProject StartBuild"
_PUSH = """
    BatchCheckLayerAvailability BatchGetImage CompleteLayerUpload InitiateLayerUpload PutImage UploadLayerPart
"""


def role(solution: Solution) -> Policy:
    """The project: read the sources, push images of this project, write its log."""
    group = arn(solution, "logs", f"log-group:{names.image_builder_log_group(solution.stack)}:*")
    return document(
        [
            *_images(solution),
            # The action has no resource types: the token is for all that the other statements allow.
            allow("SignIn", "ecr:GetAuthorizationToken", "*"),
            allow("WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], group),
        ]
    )


def _images(solution: Solution) -> list[Statement]:
    sources = f"{bucket_arn(solution, solution.templates_bucket)}/{SOURCES}/*"
    return [
        allow("PushImages", actions("ecr", _PUSH), repositories(solution)),
        allow("ReadSources", "s3:GetObject", sources),
    ]


def repositories(solution: Solution) -> str:
    """The ARN of the ECR repositories of images that are built, in the account."""
    registry = solution.image_registry or ""
    prefix = registry.partition("/")[2]
    return arn(solution, "ecr", f"repository/{f'{prefix}/' if prefix else ''}{REPOSITORIES}")


def boundary(solution: Solution) -> list[Statement]:
    """What the project needs of the boundary of roles, in a solution that builds images of its own."""
    if not any(runtime.custom_nodes for runtime in solution.runtimes):
        return []
    sources = f"{bucket_arn(solution, solution.templates_bucket)}/{SOURCES}/*"
    resources = [repositories(solution), sources]
    sign_in = allow("SignInToImages", "ecr:GetAuthorizationToken", "*")
    return [
        allow("BuildImages", [*actions("ecr", _PUSH), "s3:GetObject"], resources),
        # In a cluster of the solution's own, nodes need it too.
        *([sign_in] if solution.existing_cluster else []),
    ]


def deployer(solution: Solution) -> list[Statement]:
    """`generator images --codebuild`: the stack of the project, its repositories, builds and their logs."""
    project = arn(solution, "codebuild", f"project/{names.image_builder(solution.stack)}")
    group = arn(solution, "logs", f"log-group:{names.image_builder_log_group(solution.stack)}:*")
    role_arn = iam_arn(solution, f"role/{names.controller_role(solution.stack, names.IMAGE_BUILDER_ROLE)}")
    passed: Condition = {"StringEquals": {"iam:PassedToService": ["codebuild.amazonaws.com"]}}
    shape = "CreateProject DeleteProject UpdateProject"
    return [
        # A project holds a role and the commands that it runs.
        allow("ShapeImageBuilder", actions("codebuild", shape), project, via_cloudformation()),
        allow("BuildImages", actions("codebuild", _BUILD), project),
        allow("GiveImageBuilderRole", "iam:PassRole", role_arn, passed),
        allow("ReadBuildLogs", "logs:GetLogEvents", group),
        allow("MakeRepositories", actions("ecr", "CreateRepository TagResource"), repositories(solution)),
    ]
