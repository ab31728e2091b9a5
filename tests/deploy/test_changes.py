"""The losses that a change set announces."""

from typing import Any

from generator.deploy.changes import changes, kept


def row(action: str, name: str = "Thing", **more: Any) -> dict[str, Any]:
    return {
        "ResourceChange": {"Action": action, "LogicalResourceId": name, "ResourceType": "AWS::X::Y", **more}
    }


def doubt(owner: str) -> dict[str, Any]:
    """A detail that CloudFormation cannot exclude, since `owner` changes."""
    target = {"Name": "Integration", "RequiresRecreation": "Conditionally"}
    return {
        "Target": target,
        "Evaluation": "Dynamic",
        "ChangeSource": "ResourceAttribute",
        "CausingEntity": f"{owner}.Arn",
    }


def test_additions_and_plain_changes_lose_nothing() -> None:
    results = changes([row("Add"), row("Modify", Replacement="False")])

    assert [change.loses for change in results] == [False, False]


def test_removals_and_replacements_lose() -> None:
    results = changes([row("Remove"), row("Modify", Replacement="True")])

    assert [change.loses for change in results] == [True, True]


def test_what_is_retained_is_not_lost() -> None:
    [change] = changes([row("Remove", PolicyAction="Retain")])

    assert not change.loses
    assert str(change) == "- AWS::X::Y Thing (kept in the account)"


def test_the_deployed_template_decides_what_a_removal_keeps_and_the_new_one_what_a_replacement_keeps() -> (
    None
):
    rows = [row("Remove", "Old"), row("Modify", "New", Replacement="True")]
    before = {"Resources": {"Old": {"DeletionPolicy": "Retain"}, "New": {"UpdateReplacePolicy": "Delete"}}}
    after = {"Resources": {"New": {"UpdateReplacePolicy": "Retain"}}}

    assert [change.loses for change in kept(changes(rows), after, before)] == [False, False]


def test_a_doubt_about_an_attribute_whose_owner_stays_is_dropped() -> None:
    results = changes(
        [
            row("Modify", "Function"),
            row("Modify", "Method", Replacement="Conditional", Details=[doubt("Function")]),
        ]
    )

    assert [change.loses for change in results] == [False, False]


def test_a_doubt_about_an_attribute_whose_owner_is_replaced_stands() -> None:
    results = changes(
        [
            row("Modify", "Function", Replacement="True"),
            row("Modify", "Method", Replacement="Conditional", Details=[doubt("Function")]),
        ]
    )

    assert [change.loses for change in results] == [True, True]


def test_doubts_form_a_chain() -> None:
    results = changes(
        [
            row("Modify", "A"),
            row("Modify", "B", Replacement="Conditional", Details=[doubt("A")]),
            row("Modify", "C", Replacement="Conditional", Details=[doubt("B")]),
        ]
    )

    assert not any(change.loses for change in results)


def test_a_conditional_replacement_without_details_stands() -> None:
    [change] = changes([row("Modify", Replacement="Conditional")])

    assert change.loses
    assert "may be replaced" in str(change)


def test_a_line_names_the_properties_that_change() -> None:
    details = [{"Target": {"Name": "VisibilityTimeout"}}, {"Target": {"Attribute": "Tags"}}]
    [change] = changes([row("Modify", PhysicalResourceId="demo-one", Details=details)])

    assert str(change) == "~ AWS::X::Y demo-one (Tags, VisibilityTimeout)"
