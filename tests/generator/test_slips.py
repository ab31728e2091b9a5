"""A typing slip is blamed on the line at fault, with the cure of that slip."""
# ruff: noqa: E501 - one slip on each line

import re
from datetime import date

import pytest

from generator import app
from generator.config import document, validate
from generator.errors import ConfigError, Problem
from generator.solution.context import Context

pytestmark = pytest.mark.thorough

GOOD = """\
stackName: studio
region: us-west-2
accountId: "123456789012"
eksVersion: "1.35"
modelBucketArn: arn:aws:s3:::studio-models
modelsRuntime:
  - name: sdxl
    type: sdwebui
    modelFilename: sdxl.safetensors
    extraValues:
      karpenter:
        provisioner:
          instanceType: [g5.xlarge, g6.2xlarge]
        nodeTemplate:
          userData: |
            [settings.kernel.sysctl]
            "vm.swappiness" = "10"
      runtime:
        scaling:
          maxReplicaCount: 2
"""

# What is replaced by what in GOOD; the line to blame; a part of the message; a part of the help.
SYNTAX = {
    "double quote not closed": ("us-west-2", '"us-west-2', 2, 'quote " is not closed', 'region: "us-west-2"'),
    "single quote not closed": ("name: sdxl", "name: 'sdxl", 7, "quote ' is not closed", "- name: 'sdxl'"),
    "quote not closed, other quotes below": ("us-west-2", '"us-west-2', 2, "not closed", 'region: "us-west-2"'),
    "quote not closed on the last line": ("Count: 2", 'Count: "2', 20, "not closed", 'maxReplicaCount: "2"'),
    "quote not closed before a comment": ("us-west-2", '"us-west-2 # x', 2, "not closed", '"us-west-2" # x'),
    "quote not closed inside brackets": ("[g5.xlarge,", '["g5.xlarge,', 13, "not closed", '["g5.xlarge", g6'),
    "quotes that differ": ("us-west-2", "\"us-west-2'", 2, "not closed by the same quote", '"us-west-2"'),
    "text after a quoted value": ("sdxl.safetensors", '"a" b', 9, "after the closing quote", "'\"a\" b'"),
    "quotes inside quotes": ("sdxl.safetensors", '"my "best" one"', 9, "after the closing", "'my \"best\" one'"),
    "an apostrophe inside single quotes": ("sdxl.safetensors", "'it's'", 9, "after the closing", '"it\'s"'),
    "an escape that YAML lacks": ("sdxl.safetensors", r'"C:\models"', 9, "backslash", r"'C:\models'"),
    "no space after the colon": ("type: sdwebui", "type:sdwebui", 8, "no space after the colon", "`type: sdwebui`"),
    "no space after the first colon": ("Name: st", "Name:st", 1, "no space after the colon", "`stackName: studio`"),
    "no space after the dash": ("- name", "-name", 7, "no space after the dash", "`- name: sdxl`"),
    "full-width colon": ("type: ", "type：", 8, "full-width colon", "`type: sdwebui`"),
    "full-width colon after a parent": ("scaling:", "scaling：", 19, "full-width colon", "`scaling:`"),
    "full-width colon on the first line": ("Name: ", "Name：", 1, "full-width colon", "`stackName: studio`"),
    "full-width space": ("    type", "\u3000\u3000type", 8, "U+3000", "`type: sdwebui`"),
    "non-breaking space in the indentation": ("    type", "\u00a0   type", 8, "U+00A0", "`type: sdwebui`"),
    "non-breaking space after the colon": ("type: ", "type:\u00a0", 8, "U+00A0", "`type: sdwebui`"),
    "zero-width space after the colon": ("type: ", "type:\u200b", 8, "U+200B", "in ASCII"),
    "tab": ("    type", "\ttype", 8, "a tab", "indent with spaces"),
    "tab after spaces": ("    type", "    \ttype", 8, "a tab", "indent with spaces"),
    "bracket not closed": ("2xlarge]", "2xlarge", 13, "bracket `[` is not closed", "g6.2xlarge]`"),
    "bracket not closed on a later line": (", g6.2xlarge]", ",\n            g6.2xlarge", 13, "`[` is not", "on line 14"),
    "brace not closed": ("scaling:\n          maxReplicaCount: 2", "scaling: {minReplicaCount: 0", 19, "`{` is", "0}`"),
    "a bracket closed by a brace": ("2xlarge]", "2xlarge}", 13, "`}` closes the bracket `[`", "g6.2xlarge]`"),
    "stray brace": ("    extraValues", "    }\n    extraValues", 10, "`}` closes no bracket", "remove the `}`"),
    "text after a bracket": ("us-west-2", "[us] x", 2, "after the closing bracket", "'[us] x'"),
    "second colon": ("type: sdwebui", "type: sdwebui: more", 8, "second `: `", "'sdwebui: more'"),
    "two keys on one line": ("sdxl\n    type", "sdxl type", 7, "second `: `", "`type:` on a line of its own"),
    "at sign": ("us-west-2", "@us", 2, "cannot start with", "'@us'"),
    "backtick": ("us-west-2", "`us`", 2, "a backtick", "'`us`'"),
    "percent sign": ("us-west-2", "%us", 2, "cannot start with", "'%us'"),
    "alias without anchor": ("us-west-2", "*us", 2, "alias", "'*us'"),
    "pipe with text": ("us-west-2", "| us", 2, "next lines", "'| us'"),
    "indented too far": ("    type", "     type", 8, "5 spaces instead of 4", "1 space to the left"),
    "indented too little": ("    type", "   type", 8, "3 spaces instead of 4", "1 space to the right"),
    "first line indented": ("stackName", " stackName", 1, "1 space instead of 0", "1 space to the left"),
    "list item indented too far": ("  - name", "   - name", 7, "3 spaces instead of 2", "to the left"),
    "value above a list": ("Runtime:\n", "Runtime: x\n", 6, "a value and a list", "remove the value"),
    "list on the line of its key": ("Runtime:\n  - ", "Runtime: - ", 6, "list cannot start", "on the next line"),
    "text of a block not indented": ("            [set", "[set", 16, "text of `userData`", "indent the text by 12"),
    "equals sign": ("type: sdwebui", "type = sdwebui", 8, "`=`", "`type: sdwebui`"),
    "semicolon in place of a colon": ("type: ", "type; ", 8, "`;`", "`type: sdwebui`"),
    "no colon": ("type: sdwebui", "type sdwebui", 8, "no colon", "`type: sdwebui`"),
    "no colon after a parent": ("scaling:", "scaling", 19, "no colon after the key", "`scaling:`"),
    "value on the next line": ("region: us", "region:\nus", 3, "0 spaces instead of 2", "to the right"),
    "comment of another language": ("region", "// x\nregion", 2, "does not start a comment", "`#`"),
    "prose": ("region", "This is where\nregion", 2, "no colon", "`#` before a comment"),
    "merge conflict": ("region", "<<<<<<< HEAD\nregion", 2, "merge conflict", "resolve"),
    "code fence": ("stackName", "```yaml\nstackName", 1, "code fence", "delete this line"),
    "end of document": ("region", "...\nregion", 2, "ends the YAML document", "delete this line"),
    "en dash": ("  - name", "  – name", 7, "does not start a list item", "`- name: sdxl`"),
    "bullet": ("  - name", "  • name", 7, "does not start a list item", "`- name: sdxl`"),
    "comma of JSON": ("stackName: studio", '"stackName": "studio",', 1, "does not end with `,`", '`"stackName": "st'),
}  # fmt: skip

# The same for slips that are valid YAML: the code, too.
VALID_YAML = {
    "typographic quotes": ("us-west-2", "“us-west-2”", 2, "SD004", "typographic quotes", '"us-west-2"'),
    "typographic quotes around a key": ("region:", "“region”:", 2, "SD004", "typographic quotes", '"region"'),
    "Chinese quotes": ("us-west-2", "「us-west-2」", 2, "SD004", "typographic quotes", '"us-west-2"'),
    "non-breaking space before a value": ("us-west-2", "\u00a0us-west-2", 2, "SD004", "U+00A0", "`us-west-2`"),
    "zero-width space after a value": ("us-west-2", "us-west-2\u200b", 2, "SD004", "U+200B", "`us-west-2`"),
    "non-breaking space before a key": ("region", "\u00a0region", 2, "SD004", "U+00A0", "`region`"),
    "a dash without its space, alone": (GOOD[GOOD.index("  - name") :], "  -name: a\n", 7, "SD004", "dash", "`- name:`"),
    "en dash, alone": (GOOD[GOOD.index("  - name") :], "  –name: a\n", 7, "SD004", "list item", "`- name:`"),
    "no space in braces": (GOOD[GOOD.index("name: sdxl") :], "{name:a}\n", 7, "SD004", "no space", "`name: a`"),
    "full-width comma": ("g5.xlarge, ", "g5.xlarge，", 13, "SD004", "full-width comma", "`g5.xlarge, g6.2xlarge`"),
    "a quote that swallows a line": ("studio\nregion: us-west-2", "\"st\nregion: us\"", 1, "SD004", "on line 2", "close"),
    "a line that is read as part of a value": ("    type: ", "      type:", 8, "SD004", "a part of the value", "space"),
    "full-width letters": ("sdwebui", "ｓｄｗｅｂｕｉ", 8, "SD104", "not one of", "in ASCII: sdwebui"),
    "full-width digit": ("Count: 2", "Count: ２", 20, "SD103", "integer", "in ASCII: 2"),
    "full-width brackets": ("[g5.xlarge, g6.2xlarge]", "［g5.xlarge］", 13, "SD103", "a list", "[g5.xlarge]"),
    "full-width key": ("region", "ｒｅｇｉｏｎ", 2, "SD101", "unknown key", "'region'"),
    "a template": ("us-west-2", "{{ region }}", 2, "SD003", "a key is", "not a template"),
    "comma at the end": ("us-west-2", "us-west-2,", 2, "SD105", "invalid value", "remove the `,`"),
    "semicolon at the end": ("sdwebui", "sdwebui;", 8, "SD104", "not one of", "remove the `;`"),
    "comma after a number": ("Count: 2", "Count: 2,", 20, "SD103", "integer", "remove the `,`"),
    "comment without its space": ("Count: 2", "Count: 2#x", 20, "SD103", "integer", "before the `#`"),
    "half a pair of quotes": ("us-west-2", 'us-west-2"', 2, "SD105", "invalid value", 'write "us-west-2"'),
    "half a pair of typographic quotes": ("us-west-2", "“us-west-2", 2, "SD105", "invalid", 'write "us-west-2"'),
    "quotes in quotes": ("us-west-2", "'\"us-west-2\"'", 2, "SD105", "invalid value", 'write "us-west-2"'),
    "a space in quotes": ("us-west-2", '"us-west-2 "', 2, "SD105", "invalid value", "remove the space"),
    "no space after the colon, alone": ("Count: 2", "Count:2", 20, "SD103", "mapping", "`maxReplicaCount: 2`"),
    "a mapping without its dash": ("  - name", "    name", 7, "SD103", "a list", "put `- `"),
    "a dash too many": ("maxReplica", "- maxReplica", 20, "SD103", "a mapping", "remove the `- `"),
}  # fmt: skip


def problems_of(text: str) -> list[Problem]:
    try:
        config = document.load(text, "config.yaml")
    except ConfigError as error:
        return list(error.problems)
    context = Context("us-west-2", "123456789012", date(2026, 11, 22))
    return validate.problems(config, app.schema(), app.facts(), context)


def test_the_config_without_slips_is_valid() -> None:
    assert problems_of(GOOD) == []


@pytest.mark.parametrize("slip", SYNTAX)
def test_a_slip_that_is_a_syntax_error_is_blamed_on_its_line(slip: str) -> None:
    old, new, line, message, help = SYNTAX[slip]
    assert old in GOOD

    [problem] = problems_of(GOOD.replace(old, new, 1))

    assert (problem.code, problem.line) == ("SD001", line)
    assert message in problem.message
    assert help in problem.help


@pytest.mark.parametrize("slip", VALID_YAML)
def test_a_slip_that_yaml_accepts_is_blamed_on_its_line(slip: str) -> None:
    old, new, line, code, message, help = VALID_YAML[slip]
    assert old in GOOD

    [problem] = problems_of(GOOD.replace(old, new, 1))

    assert (problem.code, problem.line) == (code, line)
    assert message in problem.message
    assert help in problem.help


def test_every_slip_of_a_file_is_reported_in_one_run() -> None:
    text = (
        GOOD.replace("us-west-2", '"us-west-2').replace("type: ", "type：").replace("Count: 2", "Count: [2")
    )

    assert [problem.line for problem in problems_of(text)] == [2, 8, 20]


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace("\n", "\r\n"),
        "\ufeff" + GOOD,
        GOOD.replace("region: ", "region : "),
        GOOD.replace("sdxl.safetensors", '"“best”.safetensors"'),
    ],
    ids=["Windows line ends", "byte order mark", "space before a colon", "typographic quotes inside quotes"],
)
def test_what_is_no_slip_is_accepted(text: str) -> None:
    assert problems_of(text) == []


def test_a_slip_in_a_long_file_is_found_in_seconds() -> None:
    entry = "  - {{name: r{0}, type: sdwebui, modelFilename: r{0}.safetensors}}\n"
    text = GOOD + "".join(entry.format(number) for number in range(2000))

    problems = problems_of(text + "  - name: last\n    type:sdwebui\n    modelFilename: x\n")

    assert [problem.line for problem in problems] == [2022]


@pytest.mark.parametrize(
    "name",
    ["g5.xlage", "m5.xlage", "r5.2xlarg", "c7i.largee", "t3.mediun", "inf2.xlarg", "g6.2xlrge", "m7.large"],
)
def test_no_hint_proposes_a_type_without_a_gpu_to_a_runtime(name: str) -> None:
    [problem] = problems_of(GOOD.replace("g5.xlarge, g6.2xlarge", name))

    proposed = re.findall(r"[a-z0-9]+\.[a-z0-9]+", problem.help)
    assert problem.code == "SD502"
    assert proposed
    assert all((kind := app.facts().instance_type(type_)) and kind.gpus for type_ in proposed)


@pytest.mark.parametrize("name", ["m7.large", "m5.lage", "g5.xlage", "t4g.mediun"])
def test_no_hint_proposes_a_type_with_a_gpu_to_the_controllers(name: str) -> None:
    [problem] = problems_of(f"clusterComponents: {{instanceType: {name}}}\n{GOOD}")

    proposed = re.findall(r"[a-z0-9]+\.[a-z0-9]+", problem.help)
    assert problem.code == "SD502"
    assert proposed
    assert all((kind := app.facts().instance_type(type_)) and not kind.gpu_name for type_ in proposed)
