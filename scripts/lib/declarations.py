"""Reads the declarations of a C or C++ header that .clang-format has laid out: what a caller sees of them, with their
comments. No compiler: macros are taken as they stand, and templates as text."""

import dataclasses
import re


@dataclasses.dataclass
class Piece:
    """A declaration, or a comment that stands alone (kind "comment")."""

    kind: str  # comment, macro, type, alias, function, variable
    code: str = ""  # without body, initialisers and members
    comment: str = ""  # above it, as it is written
    trailing: str = ""  # behind it, with the blanks before
    gap: bool = False  # an empty line is before it
    names: list = dataclasses.field(default_factory=list)
    members: list = dataclasses.field(default_factory=list)  # of a type: what is not private
    namespace: str = ""
    closing: str = ""  # of a type: from its last brace on


# What a caller never writes down, or does not need to be told.
_LEFT_OUT = re.compile(
    r"""friend\b | static_assert\b | [^(]*~ | .*=\s*delete$
      | (explicit\ )?(?P<class>\w+)\((const\ )?(?P=class)&&?(\ \w+)?\)  # copied, moved
      | [\w:]+&\ operator=\(                                          # assigned
      | using\ \w+::\w+$                                              # a base's constructors
    """,
    re.VERBOSE | re.DOTALL,
)
_TYPE = re.compile(r"(?:typedef )?(struct|class|union|enum class|enum)\s+(\w+)")


def read(text):
    """The pieces of a header. The first is a comment: what the header is about."""
    return list(_pieces(text, "", public=True))


def _pieces(text, namespace, public):
    """Of the file, or of what is between the braces of a namespace or a type."""
    at, gap, comment, comment_gap = 0, False, "", False
    while True:
        space = re.compile(r"\s*").match(text, at)
        gap = gap or space[0].count("\n") > 1
        at = space.end()
        if comment and (gap or at == len(text)):
            if public:
                yield Piece("comment", comment=comment, gap=comment_gap, namespace=namespace)
            comment = ""
        if at == len(text):
            return
        if text.startswith(("//", "/*"), at):
            end = _behind(text, at)
            comment_gap = comment_gap if comment else gap
            comment += ("\n" if comment else "") + _dedent(text, at, end)
            at, gap = end, False
            continue
        label = re.compile(r"(public|protected|private):").match(text, at)
        if label:
            public = label[1] != "private"
            if label[1] == "protected":
                yield Piece("label", code="protected:", gap=True)
            at, gap = label.end(), False
            continue
        end, inside = _statement(text, at)
        code = _dedent(text, at, end)
        behind = re.compile(r"[ \t]*(//[^\n]*|/\*.*?\*/)", re.DOTALL).match(text, end)
        trailing, at_next = ("", end) if not behind else (behind[0], behind.end())
        inner = _namespace(code)
        if inner is not None:
            yield from _pieces(text[inside[0] : inside[1]], _joined(namespace, inner), public)
        elif public:
            piece = _piece(text, at, end, inside, code, namespace)
            if piece:
                piece.comment, piece.trailing = comment, trailing
                piece.gap = comment_gap if comment else gap
                yield piece
            elif comment and code.startswith("#"):
                yield Piece("comment", comment=comment, gap=comment_gap, namespace=namespace)
        at, gap, comment = at_next, False, ""


def _piece(text, start, end, inside, code, namespace):
    if code.startswith("#"):
        return _macro(code, namespace)
    head = _dedent(text, start, inside[0] - 1 if inside else end).rstrip().rstrip(";")
    bare = _without_template(head)
    if _LEFT_OUT.match(bare):
        return None
    kind = _TYPE.match(bare)
    if kind and inside:
        name = kind[2]
        members = []
        if not kind[1].startswith("enum"):
            members = list(_pieces(text[inside[0] : inside[1]], namespace, kind[1] != "class"))
            code = _dedent(text, start, inside[0])
        closing = "" if kind[1].startswith("enum") else text[inside[1] : end].strip()
        return Piece("type", code, names=[name], members=members, namespace=namespace, closing=closing)
    if kind and re.fullmatch(r"(struct|class|union|enum class|enum)\s+\w+", bare):
        return None  # there is such a type; what it is stands elsewhere
    alias = re.match(r"using (\w+) =", bare) or re.match(r"typedef [^(]*\b(\w+)$", bare) or re.match(r"concept (\w+)", bare)
    if alias:
        return Piece("alias", code, names=[alias[1]], namespace=namespace)
    pointer = re.search(r"\(\*(\w+)\)\(", bare)
    if pointer:
        return Piece("function", code, names=[pointer[1]], namespace=namespace)
    function = _function_name(bare)
    if function:
        return Piece("function", _plain(_without_initialisers(head)).rstrip() + ";", names=[function], namespace=namespace)
    name = re.match(r"[^={;]*?(\w+)\s*(\[[^]]*\]\s*)*(=|\{|$)", bare, re.DOTALL)
    return Piece("variable", _plain(code), names=[name[1]] if name else [], namespace=namespace)


def _macro(code, namespace):
    macro = re.match(r"#define (\w+)(\([^)]*\))?[ ]*(.*)", re.sub(r"\s*\\\n\s*", " ", code), re.DOTALL)
    if not macro or not macro[3]:
        return None  # another directive, or an include guard
    code = f"#define {macro[1]}{macro[2]}" if macro[2] else macro[0]
    return Piece("macro", code, names=[macro[1]], namespace=namespace)


# --- where things end ---


def _behind(text, at):
    """The end of the comment, literal or character at that place."""
    if text.startswith("//", at):
        end = text.find("\n", at)
        return len(text) if end < 0 else end
    if text.startswith("/*", at):
        return text.index("*/", at) + 2
    if text[at] in "\"'" and not (text[at] == "'" and at > 0 and text[at - 1].isalnum()):  # 0xff'ff
        end = at + 1
        while text[end] != text[at]:
            end += 2 if text[end] == "\\" else 1
        return end + 1
    return at + 1


def _closing(text, at):
    """The place of the brace or bracket that closes the one at that place."""
    depth = 0
    while True:
        if text[at] in "([{":
            depth += 1
        elif text[at] in ")]}":
            depth -= 1
            if depth == 0:
                return at
        at = _behind(text, at)


def _statement(text, start):
    """Where the declaration ends that begins there, and what is between its braces, if that is a body."""
    if text[start] == "#":
        end = start
        while True:
            newline = text.find("\n", end)
            comment = text.find("/*", end, newline)
            if comment >= 0 and text.find("*/", comment) > newline:
                newline = text.find("\n", text.find("*/", comment))
            if newline < 0 or text[newline - 1] != "\\":
                return len(text) if newline < 0 else newline, None
            end = newline + 1
    at, body = start, None
    while at < len(text):
        if text[at] in "([":
            at = _closing(text, at)
        elif text[at] == ";":
            return at + 1, body
        elif text[at] == "{":
            close = _closing(text, at)
            head = _without_template(text[start:at])
            if text[at - 1].isspace() and not _assigned(head):
                inside = (at + 1, close)
                if "(" not in head.replace("alignas(", "") and _TYPE.match(head):
                    body = inside
                elif _namespace(text[start : at + 1]) is not None or "(" in head:
                    return close + 1, inside
            at = close
        at = _behind(text, at)
    return len(text), body


# --- what things are ---


def _namespace(code):
    """The name, "" for a block that is none, None for anything else."""
    found = re.match(r"(?:inline )?namespace ([\w:]*) ?\{|extern \"C\" \{", code)
    return None if not found else found[1] or ""


def _joined(outer, inner):
    return "::".join(each for each in (outer, inner) if each)


def _without_template(code):
    while code.startswith("template"):
        depth, at = 0, code.index("<")
        while True:
            depth += {"<": 1, ">": -1}.get(code[at], 0)
            at += 1
            if depth == 0:
                break
        code = code[at:].lstrip()
    return _plain(code)


def _plain(code):
    """Without attributes; what is aligned below them moves along."""
    lines, moved = [], 0
    for line in code.split("\n"):
        plain = re.sub(r"\[\[[^]]*\]\]\s*", "", line)
        if plain == line:
            plain = re.sub(r"^ {0,%d}" % moved, "", line)
        else:
            moved = len(line) - len(plain)
        lines.append(plain)
    return "\n".join(lines)


def _assigned(head):
    """Whether there is a "=" outside of brackets that is no operator's name."""
    head = re.sub(r"operator\s*[=!<>]=?>?", "operator", head)
    depth = 0
    for byte in head:
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(byte, 0)
        if byte == "=" and depth == 0:
            return True
    return False


def _function_name(bare):
    if _assigned(re.sub(r"=\s*(default|0)$", "", bare)):
        return None
    found = re.match(r"[^({]*?(operator\s*\(\)|operator[^(]+|\w+)\(", bare, re.DOTALL)
    return found[1] if found else None


def _without_initialisers(head):
    """Of a constructor: up to the ":"."""
    at = head.find("(")
    while at >= 0 and at < len(head):
        if head[at] in "([":
            at = _closing(head, at)
        elif re.compile(r"\s:\s").match(head, at):
            return head[:at]
        at += 1
    return head


def _dedent(text, start, end):
    """That part, its further lines moved to the left as far as its first would be."""
    indentation = start - (text.rfind("\n", 0, start) + 1)
    return re.sub(r"\n {1,%d}" % indentation, "\n", text[start:end]) if indentation else text[start:end]
