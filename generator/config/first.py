"""The text of a first config, with comments."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Answers:
    """What a first config needs to be told."""

    stack: str
    region: str
    account: str
    model_bucket: str
    runtime_type: str
    model_filename: str


def text(answers: Answers) -> str:
    """A config that says what each line is for and which to change first."""
    return "\n".join([*_top(answers), *_runtime(answers)]) + "\n"


def partition(region: str) -> str:
    """The partition that a region's name tells."""
    return "aws-cn" if region.startswith("cn-") else "aws"


def _top(answers: Answers) -> list[str]:
    account = f'accountId: "{answers.account}"'
    if not answers.account:
        account = '# accountId: "123456789012"   (or --account, or --account-from-sts)'
    lines = [
        "# A solution config. `generator validate` checks it, `generator build` makes everything from it,",
        "# `generator explain KEY` says what a key means and what else there is to set.",
        "",
        "# The prefix of every name: cluster, queues, buckets, roles.",
        f"stackName: {answers.stack}",
        "",
        "# Where it is deployed to.",
        f"region: {answers.region}",
        account,
        "",
        "# A bucket of yours with the models; pods see it read-only at /opt/ml/code/models.",
        f"modelBucketArn: arn:{partition(answers.region)}:s3:::{answers.model_bucket}",
        "",
        "# 1.28 is the default; AWS creates new clusters only of versions that it supports.",
        'eksVersion: "1.34"',
    ]
    if partition(answers.region) == "aws-cn":
        lines += [
            "",
            "# Public registries cannot be relied on in China: `generator images` copies all images here.",
            f"imageRegistry: {_registry(answers)}",
        ]
    return lines


def _registry(answers: Answers) -> str:
    if not answers.account:
        return "registry.example.com.cn"
    return f"{answers.account}.dkr.ecr.{answers.region}.amazonaws.com.cn"


def _runtime(answers: Answers) -> list[str]:
    lines = [
        "",
        "modelsRuntime:",
        "  # Each runtime has a queue, a bucket and GPU nodes of its own. Add as many as you like.",
        f"  - name: {answers.runtime_type}",
        "    # sdwebui, comfyui, invokeai, or custom for a container of your own",
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
            "          # What China offers of the usual types.",
            "          instanceType: [g5.xlarge, g5.2xlarge]",
        ]
    lines += [
        "      runtime:",
        "        scaling:",
        "          # No pods, and no GPU nodes, while the queue is empty.",
        "          minReplicaCount: 0",
        "          # The most pods at a time: it bounds the bill.",
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
