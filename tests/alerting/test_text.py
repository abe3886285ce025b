"""Text in bounds, whatever it is."""

import json
import math

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.alerting.internals import (
    Alert,
    Message,
    Secret,
    cut,
    digest,
    fitting,
    json_safe,
    markdown,
    one_line,
    size,
    to_json,
)

ANY = st.text(st.characters())  # lone surrogates among them
WIDE = st.text(st.sampled_from('a告🚨é\n"\\'), max_size=400)


@given(ANY | WIDE, st.integers(0, 100))
def test_a_cut_text_fits_and_no_character_is_broken(text, limit):
    made = cut(text, limit)
    assert size(made) <= limit
    whole = text.encode("utf-8", "replace").decode()
    assert made == whole or whole.startswith(made.removesuffix("…"))
    if size(whole) <= limit:
        assert made == whole
    else:
        # No more is lost than one character and the mark.
        assert size(made) >= limit - 3 - 3


@given(WIDE, st.integers(60, 2000))
def test_a_body_fits_though_json_makes_it_longer(text, limit):
    body = fitting(lambda room: to_json({"text": cut(text, room)}), limit)
    assert len(body) <= limit
    assert text.startswith(json.loads(body)["text"].removesuffix("…"))


@settings(max_examples=30)  # each of many nested values
@given(
    st.dictionaries(
        ANY,
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | ANY | st.binary(),
            lambda inner: st.lists(inner) | st.dictionaries(ANY | st.integers(), inner),
            max_leaves=20,
        ),
        max_size=60,
    )
)
def test_details_are_json_and_bounded(details):
    made = json_safe(details)
    text = json.dumps(made, allow_nan=False)
    assert len(text.encode()) < 200_000
    assert len(made) <= 31
    json.loads(text)


def test_details_keep_what_json_has():
    details = {"a": 1, "b": 1.5, "c": None, "d": True, "e": "文", "f": [1, {"g": 2}], "h": {"i": [3]}}
    assert json_safe(details) == details
    assert json_safe({"a": {"b": {"c": {"d": 1}}}}) == {"a": {"b": {"c": "{'d': 1}"}}}
    assert json_safe({"nan": math.nan, "big": 2**60, 7: b"x"}) == {"nan": "nan", "big": str(2**60), "7": "b'x'"}


def test_an_object_that_cannot_be_shown_is_shown_by_its_class():
    class Rude:
        def __str__(self):
            raise ValueError

    assert json_safe({"x": Rude()}) == {"x": "<Rude>"}
    loop = {}
    loop["loop"] = loop
    assert json.dumps(json_safe(loop))


def test_one_line_is_one_line():
    assert one_line("a\r\n b\t\x00\x1bc  d", 100) == "a b c d"


def test_a_secret_is_shown_to_nobody():
    secret = Secret("hidden")
    assert "hidden" not in f"{secret} {secret!r} {[secret]}"
    assert secret.reveal() == "hidden"


@given(st.lists(st.builds(Alert, ANY, ANY, WIDE, WIDE, WIDE, WIDE), min_size=1, max_size=8), st.integers(100, 5000))
def test_markdown_fits(alerts, limit):
    assert size(markdown(Message(tuple(alerts), 3, (("Silence", "http://a/" + "b" * 90),)), limit)) <= limit


@given(st.lists(WIDE, min_size=2, max_size=100), st.integers(300, 4096))
def test_a_digest_fits_and_says_of_how_many_it_is(names, limit):
    messages = [Message((Alert(f"Alert{n}", "critical", name),)) for n, name in enumerate(names)]
    text, number = digest(messages, limit)
    assert size(text) <= limit
    assert 1 <= number <= len(messages)
    assert f" {number} 条" in text
    assert [f"**Alert{n}**" in text for n in range(len(messages))] == [n < number for n in range(len(messages))]


def test_the_links_stay_whole_where_the_text_is_cut():
    message = Message(
        (Alert("A", "critical", "长" * 5000, links=(("手册", "http://a/b"),)),), links=(("静默", "http://c"),)
    )
    text = markdown(message, 1000)
    assert text.endswith("…\n\n[手册](http://a/b) | [静默](http://c)")
    assert size(text) <= 1000
