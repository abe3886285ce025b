"""What has arrived where people look: a mail server, a webhook and the robots of three chats."""

import json
import re
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tests.servers.robots import Robots

MAIL = "mail"
CHANNELS = (MAIL, "webhook", "dingtalk", "wechat", "feishu")


@dataclass(frozen=True, slots=True)
class Notification:
    """One message.

    Parameters:
        channel: Where it arrived.
        at: When, in seconds of the epoch.
        names: The alerts that it is about.
        resolved: Whether it says that all of them are over.
        text: The whole of it.
    """

    channel: str
    at: float
    names: tuple[str, ...]
    resolved: bool
    text: str

    def links(self) -> set[str]:
        return set(re.findall(r"https?://[^\s)\"\\]+", self.text))


class Sinks:
    """Reads all of them."""

    def __init__(self, robots: Robots, mailpit: str) -> None:
        self.robots = robots
        self._mailpit = mailpit
        self._mails: dict[str, Notification] = {}

    def all(self) -> list[Notification]:
        """Everything that has arrived, in its order."""
        with self.robots.lock:
            accepted = list(zip(self.robots.accepted, self.robots.accepted_at, strict=True))
        told = [_of_robot(robot, body, at) for (robot, body), at in accepted]
        return sorted([*told, *self._all_mails()], key=lambda one: one.at)

    def _all_mails(self) -> Sequence[Notification]:
        for one in self._get("/api/v1/messages?limit=500")["messages"]:
            if one["ID"] not in self._mails:
                self._mails[one["ID"]] = self._mail(self._get(f"/api/v1/message/{one['ID']}"), one["Created"])
        return list(self._mails.values())

    @staticmethod
    def _mail(whole: dict, created: str) -> Notification:
        subject, text = whole["Subject"], whole["Text"]
        names = tuple(re.findall(r"(?m)^(?:✅ 已恢复 RESOLVED|[A-Z]+) ([A-Za-z]+)\s*$", text))
        at = datetime.fromisoformat(created).timestamp()
        return Notification(MAIL, at, names or (subject,), "[RESOLVED]" in subject, text)

    def _get(self, path: str) -> dict:
        with urllib.request.urlopen(self._mailpit + path, timeout=10) as response:
            return json.loads(response.read())


def _of_robot(robot: str, body: dict, at: float) -> Notification:
    text = json.dumps(body, ensure_ascii=False)
    if robot == "webhook":
        names = tuple(alert["alert_name"] for alert in body["details"]["alerts"])
        return Notification(robot, at, names, body["details"]["status"] == "resolved", text)
    # A heading for each alert, and a line for each in a digest.
    names = tuple(re.findall(r"## \S+ (\w+)\\n|\S+ \*\*(\w+)\*\*[^\\]*\[", text))
    title = re.search(r"WXIAI(告警恢复|告警汇总|告警): (\w+)", text)
    found = tuple(first or second for first, second in names) or ((title[2],) if title else ("?",))
    resolved = "已恢复" in text and not re.search(r"\[(CRITICAL|WARNING|INFO)\]|等级\*\*: \w+\\n", text)
    return Notification(robot, at, found, resolved, text)
