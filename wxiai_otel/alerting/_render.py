"""Messages as the Markdown that chat robots show, and as plain text. Chinese first, English beside it."""

from collections.abc import Callable, Sequence

from ._message import SOURCE, Alert, Message
from ._text import cleaned, cut, inert, inert_lines, one_line, size, to_json

_MAX_NAME = 200
_MAX_TEXT = 3_000
_MAX_LINE = 240
_MAX_LINKS = 8
SHOWN_LABELS = ("service", "instance", "pool", "check", "job", "team")


def title(message: Message) -> str:
    """One line that says what it is about; with 告警 in it, which robots may ask for as their keyword."""
    state = "告警恢复" if message.resolved else "告警"
    return f"WXIAI{state}: {_word(message.first.name)}"


def markdown(message: Message, limit: int) -> str:
    """Render a message as Markdown of at most ``limit`` bytes. See `writer`."""
    return writer(message, limit)(limit)


def writer(message: Message, limit: int) -> Callable[[int], str]:
    """Render a message once, and return a function that cuts it to a number of bytes.

    The text before the links is cut first: the links stay whole as long as they fit.

    Parameters:
        message: The message.
        limit: The largest number of bytes that the function will get.
    """
    links = _links(message)
    blocks: list[str] = []
    room = limit
    for alert in _ordered(message):
        if room < 0:
            break
        blocks.append(_alert(alert))
        room -= size(blocks[-1])
    if message.omitted:
        blocks.append(f"另有 {message.omitted} 条告警未显示（{message.omitted} more）")
    text = "\n\n---\n\n".join(blocks)

    def write(most: int) -> str:
        ending = links if size(links) <= most // 2 else ""
        return cut(text, most - size(ending)) + ending

    return write


def plain(message: Message, limit: int) -> str:
    """The same for a mail."""
    return markdown(message, limit).replace("**", "")


def digest_title(messages: Sequence[Message]) -> str:
    """The title of many messages in one."""
    return f"WXIAI告警汇总: {len(messages)} 条"


def digest(messages: Sequence[Message], limit: int) -> tuple[str, int]:
    """The first of many messages in one, a line each, and how many those are.

    As many as ``limit`` bytes hold, at least one; the others are left for the next.
    """
    lines: list[str] = []
    room = limit - size(_digest_head(len(messages)))
    for message in messages:
        line = f"\n\n{_line(message)}"
        room -= size(line)
        if room < 0 and lines:
            break
        lines.append(line)
    return cut(_digest_head(len(lines)) + "".join(lines), limit), len(lines)


def _digest_head(number: int) -> str:
    return f"## 📦 告警汇总 {number} 条\n\n消息过多，已合并（{number} messages in one）"


def _line(message: Message) -> str:
    first, others = message.first, len(message.alerts) + message.omitted - 1
    more = f" (+{others})" if others else ""
    state = "已恢复" if message.resolved else _word(first.severity).upper()
    said = inert(one_line(first.summary, _MAX_LINE))
    return one_line(f"{first.emoji} **{_word(first.name)}**{more} [{state}] {said} {_place(first)}", _MAX_LINE)


def _alert(alert: Alert) -> str:
    lines = [
        f"## {alert.emoji} {_word(alert.name)}",
        f"**告警等级**: {_word(alert.severity).upper()}" + ("（已恢复 RESOLVED）" if alert.resolved else ""),
        f"**告警信息**: {_text(alert.summary)}",
        f"**{'恢复时间' if alert.resolved else '发生时间'}**: {alert.at.isoformat(sep=' ', timespec='seconds')}",
        f"**系统来源**: {SOURCE}",
    ]
    if alert.description:
        lines.append(_text(alert.description))
    english = " — ".join(_text(text) for text in (alert.summary_en, alert.description_en) if text)
    if english:
        lines.append(f"> {english}")
    if place := _place(alert):
        lines.append(place)
    lines += [f"- {inert_lines(one_line(key, _MAX_NAME))}: {_value(value)}" for key, value in alert.details.items()]
    return "\n\n".join(lines)


def _value(value: object) -> str:
    text = value if isinstance(value, str) else to_json(value).decode()
    return inert(one_line(text, _MAX_TEXT))


def _text(text: str) -> str:
    return inert_lines(cleaned(text, _MAX_TEXT))


def _word(text: str) -> str:
    return inert(one_line(text, _MAX_NAME))


def _place(alert: Alert) -> str:
    shown = [f"{name}={_word(alert.labels[name])}" for name in SHOWN_LABELS if alert.labels.get(name)]
    return ", ".join(shown)


def _ordered(message: Message) -> list[Alert]:
    return sorted(message.alerts, key=lambda alert: (alert.resolved, alert.rank))


def _links(message: Message) -> str:
    """Each link once, on one line: those of the message and those of its alerts."""
    found: dict[tuple[str, str], None] = {}
    for links in (*(alert.links for alert in _ordered(message)), message.links):
        found.update(dict.fromkeys(links))
    shown = [f"[{name}]({address})" for name, address in list(found)[:_MAX_LINKS]]
    return "\n\n" + " | ".join(shown) if shown else ""
