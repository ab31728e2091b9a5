"""Each format says all of a problem, in the form that its readers ask for."""

import json

from generator.config import report, validate
from generator.errors import Problem, Severity

WRONG = Problem("a b.yaml", 2, 7, "region", "SD701", "no region: 100%, really", "did you mean\n'us-east-1'?")
WARNED = Problem("a b.yaml", 1, 1, "$", "SD704", "no account is said", "set it", Severity.WARNING)
LINES = {"a b.yaml": ["stackName: studio # mine", "region: us-esat-1 # where"]}


def test_text_shows_the_line_and_marks_the_word() -> None:
    said = report.text(
        [Problem("a.yaml", 2, 9, "region", "SD701", "what", "help")], {"a.yaml": LINES["a b.yaml"]}
    )

    assert said == (
        "a.yaml:2:9: error: region: what [SD701]\n"
        "    2 | region: us-esat-1 # where\n"
        "      |         ^~~~~~~~~\n"
        "  help: help\n"
    )


def test_text_does_without_the_line_when_the_file_is_gone() -> None:
    assert (
        report.text([WARNED], {}) == "a b.yaml:1:1: warning: $: no account is said [SD704]\n  help: set it\n"
    )


def test_colour_changes_no_word() -> None:
    coloured = report.text([WRONG, WARNED], LINES, color=True)

    plain = "".join(
        part.partition("m")[2] if index else part for index, part in enumerate(coloured.split("\x1b["))
    )
    assert plain == report.text([WRONG, WARNED], LINES)
    assert coloured != plain


def test_a_quoted_value_is_marked_whole() -> None:
    said = report.text([Problem("a", 1, 4, "$", "SD105", "w", "m")], {"a": ['a: "b: c, d" # e']})

    assert said.splitlines()[2] == "      |    ^~~~~~~~~"


def test_the_last_line_counts_errors_and_warnings_apart() -> None:
    assert report.summary([WRONG, WRONG, WARNED], 2) == "2 files: 2 errors, 1 warning\n"


def test_json_holds_every_field() -> None:
    told = json.loads(report.as_json([WARNED], ["a b.yaml"]))

    assert told == {
        "files": ["a b.yaml"],
        "problems": [
            {"file": "a b.yaml", "line": 1, "column": 1, "path": "$", "code": "SD704", "severity": "warning",
             "message": "no account is said", "help": "set it"}
        ],
    }  # fmt: skip


def test_github_annotations_escape_what_would_end_them() -> None:
    assert report.github([WRONG]) == (
        "::error file=a b.yaml,line=2,col=7,title=SD701::"
        "region: no region: 100%25, really; did you mean%0A'us-east-1'?\n"
    )


def test_sarif_names_version_schema_and_tool() -> None:
    told = json.loads(report.sarif([], validate.catalogue(), "1.2.3"))

    assert told["version"] == "2.1.0"
    assert told["$schema"].endswith("sarif-schema-2.1.0.json")
    assert (told["runs"][0]["tool"]["driver"]["name"], told["runs"][0]["tool"]["driver"]["version"]) == (
        "generator",
        "1.2.3",
    )


def test_sarif_describes_every_rule() -> None:
    told = json.loads(report.sarif([], validate.catalogue(), "1.2.3"))

    rules = {rule["id"]: rule for rule in told["runs"][0]["tool"]["driver"]["rules"]}
    assert rules.keys() == validate.catalogue().keys()
    assert all(rule["shortDescription"]["text"].endswith(".") for rule in rules.values())


def test_sarif_results_point_at_their_rule_and_their_place() -> None:
    told = json.loads(report.sarif([WRONG, WARNED], validate.catalogue(), "1.2.3"))

    run = told["runs"][0]
    for result, problem in zip(run["results"], (WRONG, WARNED), strict=True):
        place = result["locations"][0]["physicalLocation"]
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == problem.code
        assert result["level"] == problem.severity.value
        assert place["artifactLocation"]["uri"] == "a%20b.yaml"
        assert place["region"] == {"startLine": problem.line, "startColumn": problem.column}
