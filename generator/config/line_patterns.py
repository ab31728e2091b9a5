"""Typing slips in one line of YAML that a regular expression finds, each with its message and its cure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Repair:
    """One repair: the place to blame (line from 0, column from 1), changed lines, message, help."""

    line: int
    column: int
    changes: Mapping[int, str]
    message: str
    help: str


@dataclass(frozen=True)
class Pattern:
    """A slip that a regular expression finds. The group `at` is the place to blame.

    `help` may contain {fixed}, the line as it should be, and {match}, what the group `at` matched.
    """

    expression: re.Pattern[str]
    replacement: str
    message: str
    help: str = "write `{fixed}`"

    def repairs(self, lines: Sequence[str], index: int) -> Iterator[Repair]:
        """The repair of one line, if the line has this slip."""
        line = lines[index]
        if match := self.expression.match(line):
            fixed = match.expand(self.replacement) + line[match.end() :]
            words = {"fixed": fixed.strip(), "match": match["at"]}
            message, help = self.message.format(**words), self.help.format(**words)
            yield Repair(index, match.start("at") + 1, {index: fixed}, message, help)


# Quotes that text editors and chat programs put in place of straight ones.
DOUBLE_QUOTES = "“”„‟″＂«»「」『』"
SINGLE_QUOTES = "‘’‚‛′＇´"
# Characters that look like a space or like nothing at all.
BLANKS = "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad"
FULL_WIDTH = dict(zip("，、：；［］｛｝【】＃－", (", ", ", ", ": ", ";", *"[]{}[]#-"), strict=True))

INDENT = r"(?P<indent>\s*(?:- +)*)"
KEY = rf"(?P<head>{INDENT}(?:[\w./$-]+|\"[^\"]*\"|'[^']*'))"
_DELETE = "delete this line"
PATTERNS = tuple(
    Pattern(re.compile(expression), *texts)
    for expression, *texts in (
        (r"(?P<at>(<{7}|={7}|>{7}|\|{7})(?: .*)?)$", "", "a marker of a merge conflict",
         "resolve the merge conflict, then delete this line"),
        (r"\s*(?P<at>```.*)$", "", "a Markdown code fence is not part of the config", _DELETE),
        (rf"{KEY}\s*(?P<at>[：﹕︓])\s*", r"\g<head>: ",
         "a full-width colon does not separate key and value"),
        (rf"{KEY}(?P<at>:)(?!//)(?=[^\s:])", r"\g<head>: ", "there is no space after the colon"),
        (r"(?P<indent>\s*)(?P<at>[–—−•·‐‑‒―－*])[\s\u00a0\u3000]*(?=[\w\"'])", r"\g<indent>- ",
         "{match} does not start a list item"),
        (rf"{KEY}\s*(?P<at>[:=]?=)\s*(?=\S)", r"\g<head>: ", "`{match}` does not separate key and value"),
        (rf"{KEY}(?P<at>;)\s+(?=\S)", r"\g<head>: ", "`;` does not separate key and value"),
        (r"(?P<indent>\s*)(?P<at>//|/\*|\*/|--(?=\s)|;)\s*", r"\g<indent># ",
         "`{match}` does not start a comment", "start a comment with `#`"),
        (r"(?P<head>.*[\"'\]}}])(?P<at>#)", r"\g<head> #", "there is no space before the `#` of the comment"),
        (r"(?P<head>.*\S)(?P<at>[,;])\s*$", r"\g<head>", "a line does not end with `{match}` in YAML"),
        (r"(?P<at>\.\.\.)\s*$", "", "`...` ends the YAML document", _DELETE),
    )
)  # fmt: skip
NO_COMMA = Pattern(
    re.compile(r"(?P<head>.*[\w\"'\]}])(?P<at>)\s*$"), r"\g<head>,", "there is no comma after this item"
)
NO_COLON = Pattern(
    re.compile(r"(?P<head>\s*(?:- +)*[\w-]+)(?P<at>\s+)(?=\S)"), r"\g<head>: ",
    "there is no colon between key and value", "write `{fixed}`, or `#` before a comment",
)  # fmt: skip
