#!/usr/bin/env python3
"""Makes docs/api from the headers that a job includes: what they declare for users, with its comments, without bodies.

usage: api_reference.py [--check]      in any folder of the clone

--check writes nothing and exits with 1 when the pages are not what the headers say.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "api"
# In the order in which a newcomer meets them. A title, and headers relative to the root.
CHAPTERS = [
    ("The job and its streams", ["include/eagre/job.h", "include/eagre/job_args.h", "include/eagre/data_stream.h",
                                 "include/eagre/source_stream.h", "include/eagre/keyed_stream.h",
                                 "include/eagre/connected_streams.h", "include/eagre/windowed_stream.h"]),
    ("Functions", ["include/eagre/functions.h", "include/eagre/process_function.h", "include/eagre/co_functions.h",
                   "include/eagre/broadcast_functions.h", "include/eagre/window.h", "runtime/output.h"]),
    ("State", ["include/eagre/keyed_state.h", "include/eagre/operator_state.h"]),
    ("Time", ["include/eagre/watermark_strategy.h", "include/eagre/watermark_generator.h"]),
    ("Metrics and accumulators", ["include/eagre/metric_group.h", "base/metrics.h", "runtime/accumulator.h"]),
    ("Records", ["record/record.h", "record/decimal.h", "record/timestamp.h", "record/json.h"]),
    ("Sources and sinks", ["connectors/file/ndjson.h", "connectors/file/csv.h", "connectors/file/file_source.h",
                           "connectors/file/file_sink.h", "connectors/generator/generator.h", "connectors/print/print.h",
                           "include/eagre/collect_sink.h", "include/eagre/source.h", "include/eagre/poison.h",
                           "include/eagre/sink.h", "runtime/record_origin.h", "runtime/split_source.h"]),
    ("Patterns of events", ["include/eagre/cep/cep.h", "include/eagre/cep/pattern.h", "include/eagre/cep/condition.h",
                            "include/eagre/cep/match.h", "include/eagre/cep/match_functions.h"]),
    ("Tests", ["include/eagre/testing/function_harness.h", "include/eagre/testing/operator_harness.h",
               "include/eagre/testing/source_harness.h"]),
]
SOURCE_LINK = "../../"

FORWARD = re.compile(r"^(template <.*> )?(class|struct) \w+;$")
SECTION_FOR_OTHERS = re.compile(r"^// ---- (for|how) ", re.I)
INDENT = "  "


def file_comment(lines):
    text = []
    for line in lines:
        if not line.startswith("//"):
            break
        text.append(line[3:].rstrip() if len(line) > 2 else "")
    return text


def as_markdown(comment):
    """A file's comment; what is indented in it is code."""
    out, code = [], False
    for number, line in enumerate(comment):
        is_code = line.startswith("  ") or (code and line == "" and any(
            later.startswith("  ") for later in comment[number:number + 2]))
        if is_code != code:
            if is_code and out and out[-1] != "":
                out.append("")
            out.append("```cpp" if is_code else "```")
            code = is_code
        out.append(line[2:] if code else line)
    if code:
        out.append("```")
    return out


def statement_end(text):
    """Where a declaration's own text ends: before its body, its initialisers, or behind its semicolon. None: not yet."""
    depth = 0
    for at, char in enumerate(text):
        if char in "([":
            depth += 1
        elif char in ")]":
            depth -= 1
        elif char == ";":
            return at, ";"
        elif char == "{" and depth <= 0:
            return at, "{"
    return None


class Header:
    """Walks over a header line by line."""

    def __init__(self, path):
        self.lines = path.read_text().splitlines()
        self.at = 0
        self.out = []

    def skip_body(self, depth):
        """Behind the closing brace; the line at hand has `depth` open ones."""
        while depth > 0:
            self.at += 1
            depth += self.lines[self.at].count("{") - self.lines[self.at].count("}")
        self.at += 1

    def skip_macro(self):
        while self.lines[self.at].endswith("\\"):
            self.at += 1
        self.at += 1

    def read_statement(self):
        """Joins the lines of a declaration; leaves `at` on the last one."""
        text = self.lines[self.at].strip()
        while statement_end(text) is None:
            self.at += 1
            text += " " + self.lines[self.at].strip()
        return text

    def emit(self, level, comment, text):
        self.out += [INDENT * level + line for line in comment] + [INDENT * level + text]

    def walk(self, level, public):
        """Declarations up to the end of the scope; `at` is on its first line, and then behind its last."""
        comment, hidden = [], False
        while self.at < len(self.lines):
            line = self.lines[self.at].strip()
            if line.startswith("}"):
                self.at += 1
                return
            if line.startswith("#define EAGRE_"):
                if comment and not line.startswith("#define EAGRE_INTERNAL"):
                    self.emit(level, comment, line.rstrip("\\ ").strip())
                comment = []
                self.skip_macro()
            elif line.startswith("#"):
                comment = []
                self.skip_macro()
            elif line.startswith("//"):
                if SECTION_FOR_OTHERS.match(line):
                    hidden = True
                if line.startswith("// ----"):
                    self.out += ([""] if self.out and self.out[-1] else []) + ([] if hidden else [INDENT * level + line])
                    comment = []
                else:
                    comment.append(re.sub(r"^///", "//", line))
                self.at += 1
            elif line == "":
                if self.out and self.out[-1] and not hidden and public:
                    self.out.append("")
                comment = []
                self.at += 1
            elif re.match(r"^(public|protected|private):", line):
                public, hidden, comment = line.startswith("public"), False, []
                self.at += 1
            elif line.startswith("namespace "):
                inner = re.match(r"namespace (internal|proto)\b", line)
                self.at += 1
                if inner:
                    Header.walk_unseen(self)
                else:
                    self.walk(level, True)
                comment, hidden = [], False
            else:
                self.declaration(level, public and not hidden, comment)
                comment = []

    def walk_unseen(self):
        out, self.out = self.out, []
        self.walk(0, False)
        self.out = out

    def declaration(self, level, visible, comment):
        text = self.read_statement()
        end, how = statement_end(text)
        head = re.sub(r" : .*$", "", text[:end].rstrip()) if re.search(r"\)( const)?( noexcept)? :", text[:end]) else text[:end].rstrip()
        head = re.sub(r"\[\[\w+\]\] ", "", head)
        is_type = re.match(r"^(template <.*> )?(requires .* )?(class|struct|enum class|enum|union) (\[\[.*\]\] )?\w", head)
        forward = FORWARD.match(text)
        depth = self.lines[self.at].count("{") - self.lines[self.at].count("}")
        friend = head.startswith(("friend", "static_assert", "template <typename> friend", "template <typename, "))
        destructor = "~" in head.split("(")[0]
        shown = visible and not forward and not friend and not destructor
        if how == ";" or not is_type:
            if shown:
                self.emit(level, comment, head + ";")
            if how == "{" and depth > 0:
                self.skip_body(depth)
            else:
                self.at += 1
            return
        keyword = is_type[3]
        if keyword.startswith("enum"):
            body = text[end:]
            while depth > 0:
                self.at += 1
                body += "\n" + INDENT * level + "  " + self.lines[self.at].strip().replace("///<", "//")
                depth += self.lines[self.at].count("{") - self.lines[self.at].count("}")
            if shown:
                self.emit(level, comment, f"{head} {re.sub(r'  };$', '};', body)}")
            self.at += 1
            return
        if depth == 0:  # on one line
            if shown:
                self.emit(level, comment, text)
            self.at += 1
            return
        self.at += 1
        if shown:
            self.emit(level, comment, head + " {")
            self.walk(level + 1, keyword != "class")
            while self.out and self.out[-1] == "":
                self.out.pop()
            if self.out[-1] == INDENT * level + head + " {":
                self.out[-1] += "};"
            else:
                self.out.append(INDENT * level + "};")
        else:
            self.walk_unseen()


def page_of(path):
    lines = path.read_text().splitlines()
    relative = path.relative_to(ROOT).as_posix()
    header = Header(path)
    comment = file_comment(lines)
    header.at = len(comment)
    header.walk(0, True)
    body = re.sub(r"\n{3,}", "\n\n", "\n".join(header.out)).strip("\n")
    name = relative.removeprefix("include/")
    text = [f"# {name}", "", *as_markdown(comment), "", f"From [{relative}]({SOURCE_LINK}{relative}).", "", "```cpp", body, "```", ""]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(text)), comment


def file_name(path):
    return path.removeprefix("include/eagre/").removeprefix("include/").replace("/", "_").removesuffix(".h") + ".md"


def make():
    pages = {}
    index = ["# API reference", "", "What a job includes, made from the headers by `scripts/api_reference.py`: declarations with their comments,",
             "without bodies and what is private. `#include <eagre/eagre.h>` has all of it but patterns and tests.",
             "[job.md](../job.md) goes through it by example.", ""]
    for title, headers in CHAPTERS:
        index += [f"## {title}", "", "| header | |", "|---|---|"]
        for header in headers:
            text, comment = page_of(ROOT / header)
            pages[file_name(header)] = text
            what = re.split(r"(?<=[.:])\s", " ".join(comment).split("  ")[0], maxsplit=1)[0].rstrip(":")
            index.append(f"| [{header.removeprefix('include/')}]({file_name(header)}) | {what} |")
        index.append("")
    pages["README.md"] = "\n".join(index)
    return pages


def main():
    pages = make()
    if "--check" in sys.argv[1:]:
        there = {path.name: path.read_text() for path in PAGES.glob("*.md")}
        wrong = sorted(name for name in pages.keys() | there.keys() if pages.get(name) != there.get(name))
        if wrong:
            sys.exit(f"docs/api is not what the headers say: {', '.join(wrong)}; run scripts/api_reference.py")
        return
    PAGES.mkdir(exist_ok=True)
    for path in PAGES.glob("*.md"):
        if path.name not in pages:
            path.unlink()
    for name, text in pages.items():
        (PAGES / name).write_text(text)


if __name__ == "__main__":
    main()
