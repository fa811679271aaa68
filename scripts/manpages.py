#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Makes the manual pages of the public headers: tuza.7 of tuza.h, a page of
section 3 for each other header (tuza-chan.3 of tuza/chan.h), and one for each
function and macro (tuza_chan_send.3) that is that page. tuza-cxx.3 is of
tuza.hpp and all that it includes.

usage: manpages.py SOURCE_DIR OUT_DIR
"""
import os
import re
import sys
import textwrap
import time

ABOUT = {  # what follows the dash, where it is not the beginning of the header's comment
    "base": "version and attributes",
    "bubble": "fake time for tests",
    "bufio": "buffered reading and writing on descriptors",
    "chan": "channels",
    "check": "comparing the sizes of elements at run time",
    "context": "contexts: when to give up",
    "debug": "numbers about the runtime",
    "errno": "errno in goroutines",
    "go": "start the runtime, start goroutines, yield, end",
    "group": "goroutines that belong together",
    "local": "values of the goroutine's own",
    "net": "I/O on descriptors without a thread each",
    "panic": "panic, defer and recover",
    "pool": "things to be used again",
    "select": "wait for one of several things",
    "signal": "signals as values on channels",
    "sync": "locks and their like for goroutines",
    "time": "the clock, sleeping, timers, tickers",
    "typed": "channels whose elements the compiler checks",
}
REMARKS = ["Blocks", "Returns", "Panics", "Owns", "Callable from", "Order", "Go"]
SKIPPED = re.compile(r"[Nn]ot for use by|What the macros call|^#(?:end)?if|^#el")


def escape(text):
    """Plain text for a line of the page."""
    text = text.replace("\\", "\\e")
    text = "".join(c if ord(c) < 128 else f"\\[u{ord(c):04X}]" for c in text)
    return "\\&" + text if text[:1] in (".", "'") else text


def comment_text(comment):
    """A comment's lines, without its marks."""
    body = re.sub(r"^/\*\s?|\s*\*/$", "", comment.strip(), flags=re.S)
    return "\n".join(re.sub(r"^ \* ?", "", line) for line in body.split("\n")).strip("\n")


def sentences(text):
    """Filled text, each sentence on lines of its own, as mdoc has it."""
    text = " ".join(text.split())
    for sentence in re.split(r"(?<=[A-Za-z)\"0-9>][.:?])\s+(?=[A-Z*\"(<-])", text):
        for line in textwrap.wrap(sentence, 76, break_long_words=False, break_on_hyphens=False):
            # The mark keeps mandoc from asking for markup of functions that are not of the page.
            yield re.sub(r"(\w)\(\)", r"\1\\&()", escape(line))


def literal(lines):
    yield ".Bd -literal -offset indent -compact"
    for line in lines:
        yield escape(line) if line.strip() else ""
    yield ".Ed"


def paragraph(lines):
    """One paragraph of a comment: text, program text, a list, or the remarks."""
    if all(re.match(r" {4}|$", line) for line in lines):
        yield from literal([line[4:] for line in lines])
        return
    if re.match(r" ?- ", lines[0]):
        yield ".Bl -bullet -compact"
        for item in re.split(r"(?m)^ ?- ", "\n".join(lines))[1:]:
            yield ".It"
            yield from sentences(item)
        yield ".El"
        return
    text = " ".join(" ".join(lines).split())
    parts = re.split(r"(?:(?<=[.?)\"0-9a-z;,])\s+|^)(" + "|".join(REMARKS) + r"): ", text)
    yield from sentences(parts[0])
    if len(parts) > 1:
        if parts[0]:
            yield ".Pp"
        yield '.Bl -tag -width "Callable from:" -compact'
        for name, body in zip(parts[1::2], parts[2::2]):
            yield f".It {name}:"
            yield from sentences(body)
        yield ".El"


def paragraphs(text):
    """All of a comment. Program text keeps the empty lines inside of it."""
    blocks = []
    for block in re.split(r"\n\s*\n", text):
        lines = block.split("\n")
        code = all(line.startswith("    ") for line in lines)
        if code and blocks and blocks[-1][0]:
            blocks[-1][1].extend(["", *lines])
        else:
            blocks.append((code, lines))
    for number, (_, lines) in enumerate(blocks):
        if number:
            yield ".Pp"
        # What is indented right below a line of text is program text, too.
        start = next((i for i, line in enumerate(lines) if i and line.startswith("    ")), None)
        if start and not lines[0].startswith((" ", "-")) and all(re.match(r"    |$", x) for x in lines[start:]):
            yield from paragraph(lines[:start])
            lines = lines[start:]
        yield from paragraph(lines)


def for_c(text):
    """The header without what is for C++ alone, and without its guard."""
    out, stack = [], []
    for line in text.split("\n"):
        if re.match(r"#\s*if", line):
            stack.append(False if re.match(r"#ifdef __cplusplus", line) else True)
        elif re.match(r"#\s*el", line):
            stack[-1] = not stack[-1]
        elif re.match(r"#\s*endif", line):
            stack.pop()
        elif all(stack) and line not in ("TUZA_BEGIN_DECLS", "TUZA_END_DECLS"):
            out.append(line)
    return "\n".join(out)


def statement_end(text, at):
    """Where the declaration, definition or directive that begins at `at` ends."""
    if text[at] == "#":
        return re.compile(r"(?:\\\n|[^\n])*").match(text, at).end()
    depth = 0
    while at < len(text):
        if text.startswith("/*", at):
            at = text.index("*/", at) + 1
        elif text[at] in "{(":
            depth += 1
        elif text[at] in "})":
            depth -= 1
            if depth == 0 and text[at] == "}" and not re.match(r"\s*\w*\s*(?:__attribute__\S*\s*)?;", text[at + 1:]):
                return at + 1
        elif text[at] == ";" and depth == 0:
            return at + 1
        at += 1
    return at


def items(text):
    """[(comment, [statement])] of a header; a comment speaks for what follows up to the next or an empty line."""
    found, comment, at, fresh = [], "", 0, False
    text = text + "\n"
    while at < len(text):
        if text.startswith("\n\n", at):
            fresh, at = True, at + 2
        elif text[at].isspace():
            at += 1
        elif text.startswith(("/*", "//"), at):
            end = text.index("*/", at) + 2 if text.startswith("/*", at) else text.index("\n", at)
            comment, at, fresh = comment_text(text[at:end]), end, False
            found.append((comment, []))
        else:
            end = statement_end(text, at)
            if fresh or not found:
                found.append(("", []))
            fresh = False
            found[-1][1].append(text[at:end])
            at = end
    return found


def arguments(text):
    """What stands between the parentheses of a declaration, divided at its own commas."""
    parts, depth = [""], 0
    for c in " ".join(text.split()):
        depth += (c == "(") - (c == ")")
        if c == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += c
    return [part.strip() for part in parts]


def function(statement):
    """(type, name, arguments) of a function that is exported; None for all else."""
    if not re.match(r"TUZA_API\b", statement):
        return None
    plain = re.sub(r"\bTUZA_(?:API|NOEXCEPT|MUST_CHECK|NORETURN)\b|\bTUZA_(?:NONNULL|PRINTF)\([^()]*\)", "", statement)
    match = re.match(r"(.*?)(\w+)\((.*)\)\s*;$", " ".join(plain.split()))
    kind = ("_Noreturn " if "TUZA_NORETURN" in statement else "") + match[1].strip()
    return kind, match[2], arguments(match[3])


def macro(statement):
    """(name, parameters) of a macro of the interface."""
    match = re.match(r"#define (TUZA_[A-Z0-9_]*[A-Z0-9])(\(([^)]*)\))?(?!\w)", statement)
    return (match[1], match[3]) if match else None


def of_interface(comment, statements):
    kept = []
    for statement in statements:
        name = macro(statement)
        if function(statement) or re.match(r"typedef |enum |__extension__ typedef", statement):
            kept.append(statement)
        elif name and (comment or "/*" in statement):
            kept.append(statement)
    hidden = SKIPPED.search(comment) and not any(function(s) for s in kept)
    return [] if hidden else kept


def synopsis(kept):
    for statement in kept:
        if made := function(statement):
            kind, name, args = made
            yield f'.Ft "{escape(kind)}"'
            yield f".Fo {name}"
            for arg in args:
                yield f'.Fa "{escape(arg)}"'
            yield ".Fc"
        elif (made := macro(statement)) and made[1] is not None:
            yield f".Fn {made[0]} " + " ".join(f'"{arg.strip()}"' for arg in made[1].split(","))


def described(comment, kept):
    """A subsection: what is declared, and its comment."""
    names = [made[1] for made in map(function, kept) if made]
    names += [made[0] for made in map(macro, kept) if made and not made[0].endswith("_")]
    names += [match[1] for s in kept for match in [re.search(r"(\w+);$", s)] if "typedef" in s.split("{")[0] and match]
    names += [f"struct {m[1]}" for s in kept for m in [re.match(r"struct (\w+)", s)] if m]
    heading, width = [], 0
    for name in dict.fromkeys(names):
        if heading and width + len(name) > 60:
            heading.append("and others")
            break
        heading.append(name)
        width += len(name) + 2
    yield ".Ss " + escape(", ".join(heading) or "Constants")
    shown = [s for s in kept if not function(s) and not (macro(s) and macro(s)[1] is not None)]
    if comment:
        yield from paragraphs(comment)
    if shown:
        if comment:
            yield ".Pp"
        yield from literal([line for s in shown for line in textwrap.dedent(s).split("\n")])


def page(name, section, about, header, body, date, others):
    yield f'.\\" Made by scripts/manpages.py of {header}.'
    yield f".Dd {date}"
    yield f".Dt {name.upper()} {section}"
    yield ".Os"
    yield ".Sh NAME"
    yield from about
    yield from body
    yield ".Sh SEE ALSO"
    refs = sorted(set(others) - {(name, section)}, key=lambda ref: (ref[1], ref[0]))
    for number, (other, where) in enumerate(refs):
        yield f".Xr {other} {where}" + (" ," if number + 1 < len(refs) else "")


def header_page(root, header, date, others):
    """(page's name, section, lines, [alias])."""
    with open(os.path.join(root, "include", header), encoding="utf-8") as file:
        text = file.read()
    intro = comment_text(re.findall(r"/\*.*?\*/", text, flags=re.S)[1])
    rest = for_c(text.split("*/", 2)[2])
    if header == "tuza.h":
        body = [".Sh SYNOPSIS", f".In {header}", ".Sh DESCRIPTION", *paragraphs(intro)]
        return "tuza", 7, list(page("tuza", 7, [".Nm tuza", ".Nd Go's runtime for C"], header, body, date, others)), []
    short = os.path.basename(header)[:-2]
    kept = [(comment, of_interface(comment, statements)) for comment, statements in items(rest)]
    kept = [(comment, statements) for comment, statements in kept if statements]
    declared = [line for _, statements in kept for line in synopsis(statements)]
    body = [".Sh SYNOPSIS", f".In {header}", *declared, ".Sh DESCRIPTION", *paragraphs(intro)]
    for comment, statements in kept:
        body += described(comment, statements)
    aliases = [made[1] for _, statements in kept for made in map(function, statements) if made]
    macros = [made[0] for _, statements in kept for made in map(macro, statements) if made and made[1] is not None]
    aliases += [name for name in dict.fromkeys(macros) if not name.endswith("_")]
    name = f"tuza-{short}"
    first = re.split(r"[.:;]\s", " ".join(intro.split()))[0].rstrip(".")
    about = [f".Nm {name}", ".Nd " + escape(ABOUT.get(short, first[:1].lower() + first[1:]))]
    return name, 3, list(page(name, 3, about, header, body, date, others)), aliases


def without_bodies(lines):
    """A class or function of C++ as it is declared: no bodies, and of a class what is public."""
    out, skip = [], ""
    is_class = re.match(r"(template <.*> )?(class|struct) ", lines[0]) is not None
    for line in lines:
        if skip:
            skip = "" if line == skip else skip
        elif re.match(r" +(private|protected):$", line):
            skip = "};"
        elif re.match(r"  public:$", line) and is_class:
            del out[2:]
        elif re.match(r"    class \w+$", line):
            out.append(line + ";")
            skip = "    };"
        elif line.strip() == "{" and not (is_class and line == "{"):
            out[-1] = re.sub(r"(\)(?: noexcept)?) : .*", r"\1", out[-1]) + ";"
            skip = line.replace("{", "}")
        elif not re.match(r" +: \w", line) and line.strip():
            out.append(line)
    return out + (["};"] if is_class and out[-1] != "};" else [])


def cxx_items(text):
    """[(comment, [line])] of what the namespace has, but for its details."""
    text = text[text.index("namespace tuza\n{\n") + len("namespace tuza\n{\n"):text.rindex("} // namespace tuza")]
    text = re.sub(r"^namespace detail\n.*?^\} // namespace detail\n", "", text, flags=re.M | re.S)
    comment, block = "", []
    for line in text.split("\n"):
        if block:
            block.append(line)
        elif line:
            block = [line]
        if not block:
            continue
        if block[0].startswith("/*"):
            if line.endswith("*/"):
                comment, block = comment_text("\n".join(block)), []
        elif line in ("}", "};") or (line.endswith(";") and not line.startswith(" ") and len(block) == 1):
            if not re.match(r"using |class \w+;", block[0]):
                yield comment, block
            comment, block = "", []


def cxx_page(root, date, others):
    folder = os.path.join(root, "include")
    with open(os.path.join(folder, "tuza.hpp"), encoding="utf-8") as file:
        text = file.read()
    body = [".Sh SYNOPSIS", ".In tuza.hpp", ".Sh DESCRIPTION",
            *paragraphs(comment_text(re.findall(r"/\*.*?\*/", text, flags=re.S)[1]))]
    for name in re.findall(r'#include "(tuza/\w+\.hpp)"', text):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            part = file.read()
        body.append(f".Ss In {name}")
        for number, (comment, lines) in enumerate(cxx_items(part)):
            body += [".Pp"] if number else []
            body += [*literal(without_bodies(lines)), *([".Pp", *paragraphs(comment)] if comment else [])]
    return list(page("tuza-cxx", 3, [".Nm tuza-cxx", ".Nd tuza for C++17"], "tuza.hpp", body, date, others))


def headers(root):
    found = os.listdir(os.path.join(root, "include", "tuza"))
    return ["tuza.h"] + sorted(f"tuza/{name}" for name in found if name.endswith(".h"))


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    root, out = sys.argv[1:]
    names = headers(root)
    newest = max(os.path.getmtime(os.path.join(root, "include", name)) for name in names)
    date = time.strftime("%B %-d, %Y", time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", newest))))
    others = [("tuza", 7)] + [(f"tuza-{os.path.basename(name)[:-2]}", 3) for name in names if name != "tuza.h"]
    others.append(("tuza-cxx", 3))
    for header in names:
        name, section, lines, aliases = header_page(root, header, date, others)
        folder = os.path.join(out, f"man{section}")
        os.makedirs(folder, exist_ok=True)
        for alias, text in [(name, "\n".join(lines)), *((a, f".so man{section}/{name}.{section}") for a in aliases)]:
            with open(os.path.join(folder, f"{alias}.{section}"), "w", encoding="utf-8") as file:
                file.write(text + "\n")

    with open(os.path.join(out, "man3", "tuza-cxx.3"), "w", encoding="utf-8") as file:
        file.write("\n".join(cxx_page(root, date, others)) + "\n")


if __name__ == "__main__":
    main()
