"""How a message looks: text of 72 columns, and HTML that mail programs show in light and dark."""

import textwrap

from django.template.loader import render_to_string

from audit.notify.words import Message, visible

WIDTH = 72
_LABEL = 16  # the longest label that values stand beside


def text(message: Message, *, greeting: bool = True) -> str:
    """As plain text. No line is longer than WIDTH but one that holds a single long word, such as an
    address. Without `greeting`: not the title and the footer, where a program shows its own."""
    parts = [_paragraph(message.title)] if greeting else []
    if message.reason:
        parts.append(_paragraph(message.reason))
    if message.table:
        parts.append(_table(message))
    for section in message.sections:
        lines = [_paragraph(section.heading)]
        lines += [_wrapped(item, "- ", "  ") for item in section.items]
        lines += [_wrapped(section.more, "  ", "  ")] if section.more else []
        parts.append("\n".join(lines))
    if message.todo:
        parts.append(_paragraph(message.todo))
    if message.link:
        parts.append(message.link)
    if greeting:
        # what programs know as the beginning of a signature
        parts.append("\n".join(["-- ", *(_paragraph(line) for line in message.footer)]))
    return "\n\n".join(parts) + "\n"


def html(message: Message, language: str) -> str:
    """As a whole HTML document without anything that is loaded from elsewhere."""
    shown = {"message": message, "language": language}
    return render_to_string("notify/message.html", shown)


def _table(message: Message) -> str:
    width = min(_LABEL, max(len(label) for label, _value in message.table)) + 2
    return "\n".join(
        _wrapped(value, f"{label}  ".ljust(width), " " * width) for label, value in message.table
    )


def _paragraph(said: str) -> str:
    return _wrapped(said, "", "")


def _wrapped(said: str, first: str, rest: str) -> str:
    return "\n".join(
        textwrap.wrap(
            visible(said),
            WIDTH,
            initial_indent=first,
            subsequent_indent=rest,
            break_long_words=False,
            break_on_hyphens=False,
        )
    )
