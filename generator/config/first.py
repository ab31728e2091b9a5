"""The text of a first config, with comments, for `generator init`."""

from dataclasses import dataclass

from generator.facts import image_reference


@dataclass(frozen=True)
class Answers:
    """The values that a first config needs. An empty `account`, `eks` or `model_filename` is left out."""

    stack: str
    region: str
    account: str
    model_bucket: str
    runtime_type: str
    model_filename: str
    eks: str


def text(answers: Answers) -> str:
    """A config with a comment for each line."""
    return "\n".join([*_top(answers), *_runtime(answers)]) + "\n"


def partition(region: str) -> str:
    """The partition of a region, by the region's name."""
    return "aws-cn" if region.startswith("cn-") else "aws"


def _top(answers: Answers) -> list[str]:
    account = f'accountId: "{answers.account}"'
    if not answers.account:
        account = '# accountId: "123456789012"   (or --account, or --account-from-sts)'
    lines = [
        "# A solution config. `generator validate` checks it, `generator build` creates all files from it,",
        "# `generator explain KEY` describes a key.",
        "",
        "# The prefix of every name: cluster, queues, buckets, roles.",
        f"stackName: {answers.stack}",
        "",
        "# Where it is deployed.",
        f"region: {answers.region}",
        account,
        "",
        "# Your bucket with the models; pods mount it read-only at /opt/ml/code/models.",
        f"modelBucketArn: arn:{partition(answers.region)}:s3:::{answers.model_bucket}",
    ]
    if answers.eks:
        lines += [
            "",
            "# AWS creates no new clusters with 1.28, the default.",
            f'eksVersion: "{answers.eks}"',
        ]
    if partition(answers.region) == "aws-cn":
        lines += [
            "",
            "# Public registries are not reliable from China: `generator images` copies all images here.",
            f"imageRegistry: {_registry(answers)}",
        ]
    return lines


def _registry(answers: Answers) -> str:
    if not answers.account:
        return "registry.example.com.cn"
    return image_reference.ecr_host(answers.account, answers.region, "amazonaws.com.cn")


def _runtime(answers: Answers) -> list[str]:
    lines = [
        "",
        "modelsRuntime:",
        "  # Each runtime has its own queue, bucket and GPU nodes. Add as many as you need.",
        f"  - name: {answers.runtime_type}",
        "    # sdwebui, comfyui, invokeai, or custom for your own container",
        f"    type: {answers.runtime_type}",
    ]
    if answers.runtime_type == "sdwebui" and answers.model_filename:
        lines += [
            "    # In the folder Stable-diffusion/ of the bucket; loaded when a pod starts.",
            f"    modelFilename: {answers.model_filename}",
        ]
    elif answers.runtime_type == "sdwebui":
        lines += ["    # Each task names its model.", "    dynamicModel: true"]
    return [*lines, *_extra(answers)]


def _extra(answers: Answers) -> list[str]:
    lines = ["    extraValues:"]
    if partition(answers.region) == "aws-cn":
        lines += [
            "      karpenter:",
            "        provisioner:",
            "          # GPU types that are available in China.",
            "          instanceType: [g5.xlarge, g5.2xlarge]",
        ]
    lines += [
        "      runtime:",
        "        scaling:",
        "          # No pods, and no GPU nodes, while the queue is empty.",
        "          minReplicaCount: 0",
        "          # The maximum number of pods limits the cost.",
        "          maxReplicaCount: 5",
    ]
    if answers.runtime_type == "custom":
        lines += [
            "        inferenceApi:",
            "          image:",
            "            repository: registry.example.com/your-runtime",
            '            tag: "1.0.0"',
            "          port: 8080",
            "          probePath: /health",
            "          taskPath: /run",
        ]
    return lines
