"""Repairs of typing slips in a line of YAML and the lines below it, each with its message and its cure."""

import re
from collections.abc import Iterator, Mapping, Sequence

from generator.config.line_patterns import (
    BLANKS,
    DOUBLE_QUOTES,
    FULL_WIDTH,
    INDENT,
    INVISIBLE,
    SINGLE_QUOTES,
    Repair,
)
from generator.config.line_scan import OPENING, scan

_VALUE = re.compile(
    rf"(?P<head>{INDENT}(?:(?:[\w./$-]+|\"[^\"]*\"|'[^']*')\s*:\s+)?)(?P<value>\S.*?)(?P<rest>\s+#.*|\s*)$"
)

# How many lines below `key: |` may be text that is not indented.
MAX_TEXT_LINES = 60

_ITEM = re.compile(r" *(?:- +)*(?=\S)")


def no_space_after_dash(lines: Sequence[str], index: int) -> Iterator[Repair]:
    """`-name: a`, alone or with keys below it that do not start where `name` does."""
    if match := re.match(r"( *(?:- +)*)-(?=[\w\"'])", lines[index]):
        fixed = f"{match[0]} {lines[index][match.end() :]}"
        shift = len(match[0]) + 1 - _width(_next(lines, index))
        last = _block(lines, index, deeper=True)
        below = {
            number: " " * max(0, _width(lines[number]) + shift) + lines[number].lstrip(" ")
            for number in range(index + 1, last)
            if lines[number].strip()
        }
        for changes in ({index: fixed}, {index: fixed, **below}):
            yield Repair(
                index, match.end(), changes, "there is no space after the dash", f"write `{fixed.strip()}`"
            )


def no_colon_after_key(lines: Sequence[str], index: int) -> Iterator[Repair]:
    """A word alone on its line, with lines below it that are indented more."""
    line = lines[index].rstrip()
    if re.fullmatch(r"\s*(?:- +)*[\w-]+", line) and _width(_next(lines, index)) > _width(line):
        yield Repair(index, len(line) + 1, {index: f"{line}:"}, "there is no colon after the key",
                     f"write `{line.strip()}:`")  # fmt: skip


def value_above_a_list(lines: Sequence[str], index: int) -> Iterator[Repair]:
    """A key with a value on its line and a list below it, or a list that starts on the line of its key."""
    match = _VALUE.match(lines[index])
    if match is None or not match["head"].rstrip().endswith(":"):
        return
    column, key, value = match.start("value") + 1, match["head"].strip(" -"), match["value"]
    if value.startswith("- "):
        changes = dict.fromkeys(range(index, _block(lines, index, deeper=True)), "") | {index: match["head"]}
        yield Repair(index, column, changes, "a list cannot start on the line of its key",
                     f"put `{value}` on the next line, indented")  # fmt: skip
    elif re.match(r" *- ", _next(lines, index)):
        yield Repair(index, column, {index: match["head"]}, f"`{key}` has a value and a list below it",
                     "remove the value, or the list")  # fmt: skip


def _next(lines: Sequence[str], index: int) -> str:
    """The next line that is not blank."""
    return next((line for line in lines[index + 1 :] if line.strip()), "")


def blanks(lines: Sequence[str], index: int) -> Iterator[Repair]:
    """Spaces that are not ASCII (a full-width one is two columns wide) and invisible characters."""
    for blank, invisible in ((" ", ""), ("  ", ""), (" ", " ")):
        table = dict.fromkeys(BLANKS, blank) | dict.fromkeys(INVISIBLE, invisible)
        yield from _look_alikes(
            lines[index], index, table, "a space or an invisible character that is not ASCII"
        )


def punctuation(lines: Sequence[str], index: int) -> Iterator[Repair]:
    """Typographic quotes and full-width punctuation."""
    straight = dict.fromkeys(DOUBLE_QUOTES, '"') | dict.fromkeys(SINGLE_QUOTES, "'")
    yield from _look_alikes(lines[index], index, straight, "typographic quotes do not quote a value")
    yield from _look_alikes(lines[index], index, FULL_WIDTH, "full-width punctuation has no meaning in YAML")


def _look_alikes(line: str, index: int, table: Mapping[str, str], message: str) -> Iterator[Repair]:
    places = [at for at, char in enumerate(line) if char in table]
    if places:
        fixed = line.translate({ord(char): plain for char, plain in table.items()})
        codes = ", ".join(sorted({f"U+{ord(line[at]):04X}" for at in places}))
        help = f"type it again in ASCII: `{fixed.strip()}`"
        yield Repair(index, places[0] + 1, {index: fixed}, f"{message} ({codes})", help)


def tabs(lines: Sequence[str], index: int) -> Iterator[Repair]:
    """A tab in the indentation: all become the same number of spaces, or none where spaces precede them."""
    indent = re.match(r"[ \t]*", lines[index])
    if indent and "\t" in indent[0]:
        for width in (2, 4, 8, 1, 0):
            changes = {
                number: re.sub(r"^[ \t]+", lambda space: space[0].replace("\t", " " * width), line)  # noqa: B023
                for number, line in enumerate(lines)
                if re.match(r" *\t", line)
            }
            yield Repair(index, indent[0].index("\t") + 1, changes, "a tab in the indentation",
                         "indent with spaces, not tabs")  # fmt: skip


def quotes(lines: Sequence[str], index: int) -> Iterator[Repair]:
    """A quote that is opened and not closed on its line, or closed by the other quote."""
    line, state = lines[index], scan(lines[index])
    if not state.quote:
        return
    column, start = state.quote_at + 1, state.quote_at + 1
    message = f"the quote {state.quote} is not closed"
    body = line[start:].rstrip()
    other = "'" if state.quote == '"' else '"'
    if body.endswith(other):
        fixed = line[:start] + body[:-1] + state.quote
        yield Repair(
            index, column, {index: fixed}, f"{message} by the same quote", f"write `{fixed.strip()}`"
        )
    ends = [match.start() for match in re.finditer(r"\s+#|\s*[,\]}]|\s*$", line[start:])]
    for end in ends:
        fixed = line[: start + end] + state.quote + line[start + end :]
        yield Repair(index, column, {index: fixed}, message, f"write `{fixed.strip()}`")


def brackets(lines: Sequence[str], index: int) -> Iterator[Repair]:
    """A bracket that is not closed, or that closes nothing."""
    line, state = lines[index], scan(lines[index])
    if state.stray_at >= 0:
        bracket, start, end = line[state.stray_at], line[: state.stray_at], line[state.stray_at + 1 :]
        column = state.stray_at + 1
        if state.brackets:
            open_ = state.brackets[-1][0]
            fixed = start + OPENING[open_] + end
            message = f"`{bracket}` closes the bracket `{open_}`"
            yield Repair(index, column, {index: fixed}, message, f"write `{fixed.strip()}`")
        fixed = start + end.lstrip(",")
        yield Repair(
            index, column, {index: fixed}, f"`{bracket}` closes no bracket", f"remove the `{bracket}`"
        )
    if state.brackets:
        closing = "".join(OPENING[open_] for open_, _ in reversed(state.brackets))
        open_, at = state.brackets[-1]
        message = f"the bracket `{open_}` is not closed"
        for last in range(index, min(index + 12, len(lines))):
            end_at = scan(lines[last]).comment_at
            before = lines[last][:end_at].rstrip()
            fixed = f"{before}{closing} {lines[last][end_at:]}".rstrip()
            place = "" if last == index else f" on line {last + 1}"
            yield Repair(index, at + 1, {last: fixed}, message, f"write `{fixed.strip()}`{place}")


def unquoted(lines: Sequence[str], index: int) -> Iterator[Repair]:
    """A value that YAML does not read as text unless it is in quotes."""
    match = _VALUE.match(lines[index])
    if match is None or match["value"].endswith(":") or (reason := _needs_quotes(match["value"])) is None:
        return
    quoted = quote(match["value"])
    fixed = match["head"] + quoted + match["rest"]
    help = f"put it in quotes: {quoted}"
    if second := re.search(r"\s([\w-]+:)\s", match["value"]):
        help += f"; or put `{second[1]}` on a line of its own"
    yield Repair(index, match.start("value") + 1, {index: fixed}, reason, help)


# What a value starts with (a regular expression) -> why YAML does not read it as text.
_NEED_QUOTES = (
    (r"\{\{", "`{{` starts a mapping: a config is not a template"),
    (r"`", "a value cannot start with a backtick"),
    (r"[@%]", "a value cannot start with `@` or `%`"),
    (r"\*", "`*` starts an alias, and no anchor has that name"),
    (r"[|>] ?[^-+ ]", "`|` and `>` start a text on the next lines, not on the same line"),
    (r'".*\\.*"$', "a backslash in double quotes starts an escape that YAML does not have"),
    (r"[\"']", "there is text after the closing quote"),
    (r"[\[{]", "there is text after the closing bracket"),
    (r".*:(\s|$)", "the line has a second `: `"),
)


def _needs_quotes(value: str) -> str | None:
    """Why a value needs quotes; None when it does not."""
    return next((reason for start, reason in _NEED_QUOTES if re.match(start, value)), None)


def quote(value: str) -> str:
    """A value in quotes, as YAML text; of a value that has quotes around it, only the inner text."""
    inner = value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value
    if "'" in inner and not set('"\\') & set(inner):
        return f'"{inner}"'
    return "'" + inner.replace("'", "''") + "'"


def indentation(lines: Sequence[str], index: int) -> Iterator[Repair]:
    """A line, with the lines below it, that is indented more or less than its neighbors."""
    line = lines[index]
    if not line.strip() or line.lstrip().startswith(("#", "---", "...", "%")):
        return
    width = _width(line)
    block = _block(lines, index)
    for target in sorted(_levels(lines, index) - {width}, key=lambda level: abs(level - width)):
        for last in {index + 1, block}:
            shift = target - width
            changes = {
                number: " " * (_width(lines[number]) + shift) + lines[number].lstrip(" ")
                for number in range(index, last)
                if lines[number].strip()
            }
            below = "" if last == index + 1 else " and the lines below it"
            side = "right" if shift > 0 else "left"
            yield Repair(index, width + 1, changes, f"indented by {_spaces(width)} instead of {target}",
                         f"move this line{below} {_spaces(abs(shift))} to the {side}")  # fmt: skip


def _width(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _spaces(number: int) -> str:
    return "1 space" if number == 1 else f"{number} spaces"


def _block(lines: Sequence[str], index: int, *, deeper: bool = False) -> int:
    """The line after the last one that is indented at least as much as this one, or more if `deeper`."""
    last, width = index + 1, _width(lines[index]) + deeper
    while last < len(lines) and (not lines[last].strip() or _width(lines[last]) >= width):
        last += 1
    return last


def _levels(lines: Sequence[str], index: int) -> set[int]:
    """Indentations with which this line, or what its `- ` holds, starts like lines around it."""
    levels: set[int] = {0}
    for line in [*lines[max(0, index - 12) : index], *lines[index + 1 : index + 3]]:
        if match := _ITEM.match(line):
            levels |= {_width(line), match.end()}
    dashes = _ITEM.match(lines[index])
    offset = dashes.end() - _width(lines[index]) if dashes else 0
    previous = next((line for line in reversed(lines[:index]) if line.strip()), "")
    return levels | {level - offset for level in levels if level >= offset} | {_width(previous) + 2}


def block_text(lines: Sequence[str], index: int) -> Iterator[Repair]:
    """The text below `key: |` that is not indented."""
    match = re.match(r" *(?:- +)*([\w-]+): +[|>][+-]?\s*$", lines[index])
    if match is None:
        return
    width = _width(lines[index]) + 2
    first = next((at for at in range(index + 1, len(lines)) if lines[at].strip()), len(lines))
    changes: dict[int, str] = {}
    for number in range(first, min(first + MAX_TEXT_LINES, len(lines))):
        if lines[number].strip():
            changes[number] = " " * width + lines[number]
        message = f"the text of `{match[1]}` is not indented"
        yield Repair(first, 1, dict(changes), message, f"indent the text by {_spaces(width)}")
