#!/usr/bin/env python3
"""Makes docs/api from the headers that a job includes: what they declare for users, with its comments, without bodies.

usage: api_reference.py [--check]      in any folder of the clone

--check writes nothing and exits with 1 when the pages are not what the headers say, or when a header that users may meet is
neither among the chapters nor among those that are left out.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "api"
# In the order in which a newcomer meets them. A title, and headers relative to the root; of a header that is followed by
# names, these declarations alone, or, behind a minus, all but these.
CHAPTERS = [
    ("The job and its streams", ["include/eagre/job_stamp.h EAGRE_JOB", "include/eagre/job.h", "include/eagre/job_args.h",
                                 "include/eagre/data_stream.h", "include/eagre/source_stream.h",
                                 "include/eagre/keyed_stream.h", "include/eagre/connected_streams.h",
                                 "include/eagre/windowed_stream.h"]),
    ("Functions", ["include/eagre/functions.h", "include/eagre/process_function.h", "include/eagre/co_functions.h",
                   "include/eagre/broadcast_functions.h", "include/eagre/window.h", "runtime/output.h"]),
    ("State", ["include/eagre/keyed_state.h", "include/eagre/state_ttl.h", "include/eagre/ttl_state.h",
               "include/eagre/operator_state.h"]),
    ("Time", ["include/eagre/watermark_strategy.h", "include/eagre/watermark_generator.h"]),
    ("Metrics and accumulators", ["include/eagre/metric_group.h", "base/metrics.h", "runtime/accumulator.h"]),
    ("Records", ["record/record.h", "record/decimal.h", "record/timestamp.h", "record/json.h"]),
    ("Sources and sinks", ["connectors/file/ndjson.h", "connectors/file/csv.h", "connectors/file/file_source.h",
                           "connectors/file/file_read.h Malformed MalformedLine", "connectors/file/file_sink.h",
                           "connectors/generator/generator.h", "connectors/print/print.h",
                           "include/eagre/collect_sink.h", "include/eagre/source.h", "include/eagre/poison.h",
                           "include/eagre/sink.h", "runtime/record_origin.h", "runtime/split_source.h"]),
    ("Kafka", ["connectors/kafka/kafka_source.h -KafkaReader", "connectors/kafka/kafka_offsets.h",
               "connectors/kafka/kafka_read.h OffsetReset", "connectors/kafka/kafka_message.h",
               "connectors/kafka/kafka_sink.h -KafkaRecordSink", "connectors/kafka/kafka_writer.h DeliveryGuarantee LostMarker",
               "connectors/kafka/kafka_record.h"]),
    ("Patterns of events", ["include/eagre/cep/cep.h", "include/eagre/cep/pattern.h", "include/eagre/cep/condition.h",
                            "include/eagre/cep/match.h", "include/eagre/cep/match_functions.h"]),
    ("Tests", ["include/eagre/testing/function_harness.h", "include/eagre/testing/operator_harness.h",
               "include/eagre/testing/source_harness.h"]),
]
# Where a header is for users unless it is named here, and what is not. A name may hold *.
PUBLIC_FOLDERS = ["include/eagre/**/*.h", "connectors/*/*.h"]
LEFT_OUT = [
    # Only includes others.
    "include/eagre/eagre.h", "connectors/kafka/kafka.h",
    # What the streams' calls make.
    "include/eagre/operators/*.h", "include/eagre/partitioner.h", "include/eagre/cep/cep_function.h",
    # What states with TTL are made of.
    "include/eagre/ttl_handle.h", "include/eagre/ttl_slots.h",
    # What the harnesses of tests are made of.
    "include/eagre/testing/fake_operator_context.h", "include/eagre/testing/harness_snapshot.h",
    # What connectors are made of, behind their sources and sinks.
    "connectors/file/compressed_file.h", "connectors/file/file_enumerator.h", "connectors/file/file_split.h",
    "connectors/file/line_window_reader.h", "connectors/file/part_file.h", "connectors/file/row_*.h",
    "connectors/generator/index_range.h", "connectors/print/print_writer.h",
    "connectors/kafka/kafka_client.h", "connectors/kafka/kafka_discovery.h", "connectors/kafka/kafka_enumerator.h",
    "connectors/kafka/kafka_markers.h", "connectors/kafka/kafka_producer.h", "connectors/kafka/kafka_properties.h",
    "connectors/kafka/kafka_reader_metrics.h", "connectors/kafka/kafka_split.h", "connectors/kafka/kafka_transactions.h",
    "connectors/kafka/message_parser.h", "connectors/kafka/sealed_epoch.h", "connectors/kafka/transactional_writer.h",
]
SOURCE_LINK = "../../"

FORWARD = re.compile(r"^(template <.*> )?(class|struct) \w+;$")
SECTION_FOR_OTHERS = re.compile(r"^// ---- (for|How operators) ")
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
    """Walks over a header line by line. With names, only declarations of these are shown, or, behind a minus, not these."""

    def __init__(self, path, names=()):
        self.lines = path.read_text().splitlines()
        self.names = names
        self.at = 0
        self.out = []

    def is_wanted(self, level, declared):
        if level > 0 or not self.names:
            return True
        only = [name for name in self.names if not name.startswith("-")]
        named = re.search(r"(?:class|struct|enum class|using|#define) (\w+)", declared)
        name = named[1] if named else ""
        return name in only if only else f"-{name}" not in self.names

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
                if comment and not line.startswith("#define EAGRE_INTERNAL") and self.is_wanted(level, line):
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
        shown = visible and not forward and not friend and not destructor and self.is_wanted(level, head)
        if how == ";" or not is_type:
            if shown:
                beside = re.match(r"; *///< (.*)", text[end:])
                self.emit(level, comment, head + (f";  // {beside[1]}" if beside else ";"))
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


def page_of(relative, names):
    path = ROOT / relative
    lines = path.read_text().splitlines()
    header = Header(path, names)
    comment = file_comment(lines)
    header.at = len(comment)
    header.walk(0, True)
    if names and not names[0].startswith("-"):
        comment = [f"Only {', '.join(f'`{name}`' for name in names)}; the rest of this header is no job's business."]
    body = re.sub(r"\n{3,}", "\n\n", "\n".join(header.out)).strip("\n")
    name = relative.removeprefix("include/")
    text = [f"# {name}", "", *as_markdown(comment), "", f"From [{relative}]({SOURCE_LINK}{relative}).", "", "```cpp", body, "```", ""]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(text)), comment


def file_name(path):
    return path.removeprefix("include/eagre/").removeprefix("include/").replace("/", "_").removesuffix(".h") + ".md"


def make():
    pages = {}
    index = ["# API reference", "", "What a job includes, made from the headers by `scripts/api_reference.py`: declarations with their comments,",
             "without bodies and what is private. `#include <eagre/eagre.h>` has all of it but Kafka, patterns and tests.",
             "[job.md](../job.md) goes through it by example.", ""]
    for title, headers in CHAPTERS:
        index += [f"## {title}", "", "| header | |", "|---|---|"]
        for entry in headers:
            header, *names = entry.split()
            text, comment = page_of(header, names)
            pages[file_name(header)] = text
            what = re.split(r"(?<=[.:])\s", " ".join(comment).split("  ")[0], maxsplit=1)[0].rstrip(":")
            if names and not names[0].startswith("-"):
                what = ", ".join(f"`{name}`" for name in names)
            index.append(f"| [{header.removeprefix('include/')}]({file_name(header)}) | {what} |")
        index.append("")
    pages["README.md"] = "\n".join(index)
    return pages


def overlooked():
    """Headers for users that are neither shown nor left out; entries of the two lists that there is no header for."""
    shown = {entry.split()[0] for _, headers in CHAPTERS for entry in headers}
    left_out = {path.relative_to(ROOT).as_posix() for pattern in LEFT_OUT for path in ROOT.glob(pattern)}
    public = {path.relative_to(ROOT).as_posix() for pattern in PUBLIC_FOLDERS for path in ROOT.glob(pattern)}
    wrong = [f"{header} is neither among the chapters nor left out" for header in public - shown - left_out]
    wrong += [f"{header} is both among the chapters and left out" for header in shown & left_out]
    wrong += [f"{pattern} is left out, but there is none" for pattern in LEFT_OUT if not any(ROOT.glob(pattern))]
    return sorted(wrong)


def main():
    wrong = overlooked()
    if wrong:
        sys.exit("\n".join(wrong) + "\nSay in scripts/api_reference.py which headers users are to read.")
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
