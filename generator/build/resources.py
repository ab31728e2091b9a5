"""What the resources of all CloudFormation templates have in common: logical IDs and tags."""


def logical_id(name: str) -> str:
    """The logical ID of a runtime: letters and digits only, unique since names are in lowercase."""
    return name.replace("-", "Dash")


def tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    """Tags in the form of CloudFormation, sorted by key."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]
