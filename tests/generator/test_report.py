"""Each format reports every field of a problem, in the form that its readers expect."""

import json
import re

from generator import paths
from generator.config import report, validate
from generator.errors import Problem, Severity

URL = "https://example.com/docs/rules.md"
WRONG = Problem("a b.yaml", 2, 7, "region", "SD701", "no region: 100%, really", "did you mean\n'us-east-1'?")
WARNED = Problem("a b.yaml", 1, 1, "$", "SD704", "no account is said", "set it", Severity.WARNING)
LINES = {"a b.yaml": ["stackName: studio # mine", "region: us-esat-1 # where"]}


def test_text_shows_the_line_and_marks_the_word() -> None:
    output = report.text(
        [Problem("a.yaml", 2, 9, "region", "SD701", "what", "help")], {"a.yaml": LINES["a b.yaml"]}
    )

    assert output == (
        "a.yaml:2:9: error: region: what [SD701]\n"
        "    2 | region: us-esat-1 # where\n"
        "      |         ^~~~~~~~~\n"
        "  help: help\n"
    )


def test_text_omits_the_line_when_the_file_is_missing() -> None:
    assert (
        report.text([WARNED], {}) == "a b.yaml:1:1: warning: $: no account is said [SD704]\n  help: set it\n"
    )


def test_color_changes_no_word() -> None:
    colored = report.text([WRONG, WARNED], LINES, color=True)

    plain = "".join(
        part.partition("m")[2] if index else part for index, part in enumerate(colored.split("\x1b["))
    )
    assert plain == report.text([WRONG, WARNED], LINES)
    assert colored != plain


def test_a_quoted_value_is_marked_whole() -> None:
    output = report.text([Problem("a", 1, 4, "$", "SD105", "w", "m")], {"a": ['a: "b: c, d" # e']})

    assert output.splitlines()[2] == "      |    ^~~~~~~~~"


def test_the_last_line_counts_errors_and_warnings_apart() -> None:
    assert report.summary([WRONG, WRONG, WARNED], 2) == "2 files: 2 errors, 1 warning\n"


def test_json_holds_every_field() -> None:
    data = json.loads(report.as_json([WARNED], ["a b.yaml"]))

    assert data == {
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
    data = json.loads(report.sarif([], validate.catalogue(), "1.2.3", URL))

    assert data["version"] == "2.1.0"
    assert data["$schema"].endswith("sarif-schema-2.1.0.json")
    assert (data["runs"][0]["tool"]["driver"]["name"], data["runs"][0]["tool"]["driver"]["version"]) == (
        "generator",
        "1.2.3",
    )


def test_sarif_describes_every_rule() -> None:
    data = json.loads(report.sarif([], validate.catalogue(), "1.2.3", URL))

    rules = {rule["id"]: rule for rule in data["runs"][0]["tool"]["driver"]["rules"]}
    assert rules.keys() == validate.catalogue().keys()
    assert all(rule["shortDescription"]["text"].endswith(".") for rule in rules.values())


def test_sarif_links_each_rule_to_a_heading_of_its_page() -> None:
    data = json.loads(report.sarif([], validate.catalogue(), "1.2.3", URL))

    headings = re.findall(r"^## (\S+)$", paths.rules_page().read_text("utf-8"), re.MULTILINE)
    links = [rule["helpUri"] for rule in data["runs"][0]["tool"]["driver"]["rules"]]
    assert links == [f"{URL}#{heading.lower()}" for heading in headings]


def test_the_pointer_names_each_code_once() -> None:
    assert report.pointer([]) == ""
    assert report.pointer([WRONG, WARNED, WRONG]) == (
        "`generator explain SD701` shows a wrong and a right example (also SD704)\n"
    )


def test_sarif_results_point_at_their_rule_and_their_place() -> None:
    data = json.loads(report.sarif([WRONG, WARNED], validate.catalogue(), "1.2.3", URL))

    run = data["runs"][0]
    for result, problem in zip(run["results"], (WRONG, WARNED), strict=True):
        location = result["locations"][0]["physicalLocation"]
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == problem.code
        assert result["level"] == problem.severity.value
        assert location["artifactLocation"]["uri"] == "a%20b.yaml"
        assert location["region"] == {"startLine": problem.line, "startColumn": problem.column}
