"""Pages of the API reference, in Markdown."""

import re

import declarations

TAG = re.compile(r"\[(control|vcpu|io|device|any|worker)\](?:,? \[\w+\])*(?: & \w+)?")


def all_pages(folders):
    """Of each header below those folders that declares something: the page by the name of its file; and the index."""
    headers = {}
    for folder in folders:
        for file in sorted(folder.rglob("*.h")) + sorted(folder.rglob("*.hpp")):
            headers[file.relative_to(folder)] = declarations.read(file.read_text(encoding="utf-8"))
    used = _used_details(headers)
    pages = {header: Page(header, pieces, used) for header, pieces in headers.items()}
    pages = {header: page for header, page in pages.items() if page.entries}
    result = {page.file: page.text() for page in pages.values()}
    result["README.md"] = _index(pages)
    return result


def _is_detail(piece):
    return "detail" in piece.namespace.split("::")


def _used_details(headers):
    """Names of details that a caller has to know: what public classes are derived from, or are other names of."""
    public = [piece.code for pieces in headers.values() for piece in pieces if not _is_detail(piece)]
    derived = re.compile(r"(?:public|^using \w+ =)\s+(?:\w+::)*detail::(\w+)", re.MULTILINE)
    return {name for code in public for name in derived.findall(code)}


class Page:
    def __init__(self, header, pieces, used_details):
        self.header = header
        self.file = "-".join(header.with_suffix("").parts[1:]) + ".md"
        self.language = "c" if header.suffix == ".h" else "cpp"
        pieces = [each for each in pieces if not _is_detail(each) or used_details & set(each.names)]
        self.about = []
        if pieces and pieces[0].kind == "comment" and not pieces[0].namespace:
            self.about = prose(pieces.pop(0).comment, self.language)
        self.entries = _entries(pieces) if any(each.kind != "comment" for each in pieces) else []
        self.anchors = _anchors(self.entries)
        self.namespaces = sorted({each[0].namespace for each in self.entries} - {""})

    def first_sentence(self):
        paragraph = " ".join(" ".join(self.about).split("```")[0].split("  ")[0].split())
        paragraph = re.sub(r"^[\w.-]+/\d: ", "", paragraph)
        return re.split(r"(?<=[.:])\s+(?=[A-Z`]|$)", paragraph)[0].rstrip(":.")

    def text(self):
        lines = [f"# {self.header}", "", f"`#include <{self.header}>`"]
        if self.namespaces:
            lines[-1] += ", namespace " + ", ".join(f"`{each}`" for each in self.namespaces)
        lines += ["", *self.about, ""]
        for entry in self.entries:
            lines += [*self._entry(entry), ""]
        lines.append("[All headers](README.md)")
        return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)) + "\n"

    def _entry(self, entry):
        if entry[0].kind == "comment":
            return prose(entry[0].comment, self.language)
        lines = [f"## `{_title(entry)}`", "", *prose(entry[0].comment, self.language), ""]
        main = entry[-1]
        calls = [each for each in main.members if "(*" in each.code]
        if self.language == "c" and calls:
            first = main.members.index(calls[0])
            rest = [each for each in main.members if each not in calls]
            shown = declarations.Piece(**{**main.__dict__, "members": rest})
            lines += _code([*entry[:-1], shown], self.language)
            for group in _grouped(main.members[first:]):
                if group[0] in calls:
                    lines += ["", *self._call(group)]
            return lines
        return lines + _code(entry, self.language)

    def _call(self, group):
        names = ", ".join(f"`{each.names[0]}`" for each in group)
        bare = [declarations.Piece("function", each.code, trailing=each.trailing) for each in group]
        about = prose(group[0].comment, self.language)
        if about:
            about[0] = TAG.sub(lambda tag: f"**{tag[0]}**", about[0], count=1)
        return [f"### {names}", "", *_code(bare, self.language), "", *about]


def _entries(pieces):
    """Pieces that are told of together: up to an empty line, a comment, or the end of a type."""
    entries = []
    for piece in pieces:
        last = entries[-1][-1] if entries else None
        apart = last is None or piece.gap or piece.comment or last.kind in ("type", "comment")
        if apart or piece.namespace != last.namespace:
            entries.append([])
        entries[-1].append(piece)
    return entries


def _grouped(members):
    groups = []
    for member in members:
        if not groups or member.gap or member.comment:
            groups.append([])
        groups[-1].append(member)
    return groups


def _names(entry):
    return list(dict.fromkeys(name for piece in entry for name in piece.names))


def _title(entry):
    for kinds in (("type", "alias", "function"), ("variable", "macro")):
        names = _names([each for each in entry if each.kind in kinds])
        if len(names) > 3:
            shared = re.match(r"(.*_)?", _shared_beginning(names))[0]
            return shared + "*" if len(shared) > len("PLUGBAY_") else ", ".join([*names[:2], "..."])
        if names:
            return ", ".join(names)
    return ""


def _shared_beginning(names):
    low, high = min(names), max(names)
    length = next((i for i, (one, other) in enumerate(zip(low, high)) if one != other), len(low))
    return low[:length]


def _anchors(entries):
    """As GitHub makes them of the headings: an anchor for each entry, None for comments."""
    seen, result = {}, []
    for entry in entries:
        if entry[0].kind == "comment":
            result.append(None)
            continue
        slug = re.sub(r"[^\w -]", "", _title(entry).lower()).replace(" ", "-")
        result.append(slug if slug not in seen else f"{slug}-{seen[slug]}")
        seen[slug] = seen.get(slug, 0) + 1
    return result


def _code(pieces, language):
    lines = []
    for number, piece in enumerate(pieces):
        lines += _lines(piece, number == 0, with_comment=False)
    return [f"```{language}", *lines, "```"]


def _lines(piece, first, with_comment=True):
    lines = [""] if piece.gap and not first else []
    if with_comment and piece.comment:
        lines += piece.comment.split("\n")
    if piece.kind == "comment":
        return lines
    if piece.kind != "type":
        return lines + (piece.code + piece.trailing).split("\n")
    members = []
    shown = [each for each, after in zip(piece.members, [*piece.members[1:], None]) if each.kind != "label" or after]
    for number, member in enumerate(shown):
        here = _lines(member, number == 0)
        indentation = "  " if member.kind == "label" else "    "
        members += [indentation + each if each else each for each in here]
    if not members and piece.closing:
        return lines + (piece.code + piece.closing).split("\n")
    closing = [piece.closing + piece.trailing] if piece.closing else []
    return lines + piece.code.split("\n") + members + closing


# --- comments ---


def prose(comment, language):
    """The lines of a comment as Markdown: what is indented, and no list, stands in a block of its own."""
    lines = re.sub(r"\s*\*/$", "", comment).split("\n")
    lines = [re.sub(r"^\s*(/\*|\*|//) ?|^\s+", "", line).rstrip() for line in lines]
    result, block, listed = [], [], False
    for line in [*lines, ""]:
        listed = bool(re.match(r" *[-*] ", line)) or (listed and line.startswith(" "))
        if line.startswith("   ") and not listed or (block and not line):
            block.append(line)
            continue
        if block:
            result += _block(block, language)
            block = []
        result.append(_escaped(line))
    if block:
        result += _block(block, language)
    while result and not result[-1]:
        result.pop()
    return result


def _block(lines, language):
    while not lines[-1]:
        lines.pop()
    indentation = min(len(each) - len(each.lstrip()) for each in lines if each)
    code = any(re.search(r"[;{}()=]", each) and not TAG.search(each) for each in lines)
    return ["```" + (language if code else ""), *(each[indentation:] for each in lines), "```", ""]


def _escaped(line):
    parts = re.split(r"(`[^`]*`)", line)
    for i in range(0, len(parts), 2):
        parts[i] = parts[i].replace("<", "&lt;").replace("*", "\\*")
    return "".join(parts)


# --- the index ---


def _index(pages):
    lines = [
        "# API reference",
        "",
        "Made from the headers by `scripts/api-reference`: each declaration with its comment, without bodies and what is private.",
        "For what to do with it begin with [writing a device](../writing-a-device.md).",
        "",
        "Functions of the ABI carry a tag that says on which thread and in which state they are called, such as **[control] &",
        "quiesced**; [abi/base.h](abi-base.md) has the list, and what else holds everywhere.",
    ]
    for title, chosen in _SECTIONS:
        mine = [(header, page) for header, page in pages.items() if chosen(header)]
        lines += ["", f"## {title}", "", "| header | what it is |", "|---|---|"]
        lines += [f"| [{'/'.join(header.parts[1:])}]({page.file}) | {page.first_sentence()} |" for header, page in mine]
    places = {}
    for page in pages.values():
        for entry, anchor in zip(page.entries, page.anchors):
            for name in _names(entry) if anchor is not None else []:
                places.setdefault(name, []).append(f"[{page.header.name}]({page.file}#{anchor})")
    lines += ["", "## Names", "", "| name | where |", "|---|---|"]
    lines += [f"| `{name}` | {', '.join(places[name])} |" for name in sorted(places, key=str.lower)]
    return "\n".join(lines) + "\n"


_SECTIONS = [
    ("The ABI, in C", lambda header: header.parts[1] == "abi" and header.parts[2] != "interface"),
    ("Interfaces between devices, in C", lambda header: header.parts[1:3] == ("abi", "interface")),
    ("The wrapper, in C++", lambda header: len(header.parts) == 2),
    ("PCI and virtio, in C++", lambda header: header.parts[1] in ("pci", "virtio")),
    ("The testkit, in C++", lambda header: header.parts[1] == "testkit"),
    ("For guests, in C", lambda header: header.parts[1] == "guest"),
]
