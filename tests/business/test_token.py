"""A token holds what was known of its task, and nothing else is taken for one."""

import hashlib
import string
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import INVALID_SPAN_CONTEXT, SpanContext, TraceFlags

from tests.business.internals import TaskState, decode, encode, new_state
from wxiai_otel import TaskTokenError

SPAN = SpanContext(0x0123456789ABCDEF0123456789ABCDEF, 0xFEDCBA9876543210, is_remote=True, trace_flags=TraceFlags(1))
ALPHABET = set(string.ascii_letters + string.digits + "-_")
SECRETS = ["", "s3cret"]


def raw(token: str) -> bytes:
    return urlsafe_b64decode(token + "=" * (-len(token) % 4))


def text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def with_checksum(body: bytes) -> str:
    return text(body + hashlib.sha256(body).digest()[:6])


def token_of(secret: str = "") -> str:
    return encode(new_state("kling", "video", "vip", SPAN), secret)


words = st.text(st.characters(codec="utf-8"), max_size=60)


class TestARoundTrip:
    @given(
        words,
        words,
        words,
        st.floats(0, 4e9),
        st.integers(1, 2**128 - 1),
        st.integers(1, 2**64 - 1),
        st.integers(0, 255),
        st.text(max_size=20),
    )
    def test_gives_back_everything(self, service, mode, role, started, trace_id, span_id, flags, secret):
        span = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))
        state = TaskState("00ff00ff00ff00ff", service, mode, role, started, span)

        got = decode(encode(state, secret), secret)

        assert (got.task_id, got.service, got.mode, got.role) == (state.task_id, service, mode, role)
        assert got.started == pytest.approx(started, abs=0.001)
        assert got.submitted_in == span

    @given(st.text(min_size=200, max_size=5000))
    def test_cuts_a_long_word_between_two_characters(self, word):
        token = encode(new_state(word, word, word, SPAN), "")

        got = decode(token, "")

        printable = word.encode("utf-8", "replace").decode()
        assert got.service == got.mode == got.role
        assert printable.startswith(got.mode)
        assert len(got.mode.encode()) in range(252, 256) or got.mode == printable
        assert len(token) <= 1200

    def test_without_a_span_is_one_too(self):
        assert not decode(encode(new_state("flux", "", "", INVALID_SPAN_CONTEXT), ""), "").submitted_in.is_valid

    @pytest.mark.parametrize("secret", SECRETS)
    def test_is_short_and_fits_into_any_column_and_url(self, secret):
        token = token_of(secret)
        assert len(token) <= 130
        assert set(token) <= ALPHABET

    def test_never_gives_the_same_token_twice(self):
        assert len({token_of() for _ in range(1000)}) == 1000


class TestRefused:
    @pytest.mark.parametrize("secret", SECRETS)
    def test_is_every_change_of_a_character(self, secret):
        token = token_of(secret)
        for position, old in enumerate(token):
            for new in ALPHABET - {old}:
                with pytest.raises(TaskTokenError):
                    decode(token[:position] + new + token[position + 1 :], secret)

    @pytest.mark.parametrize("secret", SECRETS)
    def test_is_every_change_of_a_bit(self, secret):
        data = raw(token_of(secret))
        for bit in range(8 * len(data)):
            changed = bytearray(data)
            changed[bit // 8] ^= 1 << bit % 8
            with pytest.raises(TaskTokenError):
                decode(text(bytes(changed)), secret)

    @pytest.mark.parametrize("secret", SECRETS)
    def test_is_every_part_of_a_token(self, secret):
        token = token_of(secret)
        for length in range(len(token)):
            for part in (token[:length], token[len(token) - length :]):
                with pytest.raises(TaskTokenError):
                    decode(part, secret)

    @pytest.mark.parametrize("more", ["A", "AAAA", "=", "==", "\n", " ", "\x00"])
    def test_is_a_token_with_something_behind_it(self, more):
        with pytest.raises(TaskTokenError):
            decode(token_of() + more, "")

    @pytest.mark.parametrize(
        "garbage",
        [
            None,
            b"",
            token_of().encode(),
            0,
            17,
            1.5,
            True,
            [],
            {},
            object(),
            "",
            " ",
            "token",
            "?" * 100,
            "A" * 100,
            "A" * 1200,
            "A" * 10_000_000,
            "ключ" * 20,
            "\ud800" * 20,
            "AQ" * 40,
            "Ag" * 40,
        ],
        ids=lambda value: type(value).__name__,  # tokens differ in each process of pytest-xdist
    )
    @pytest.mark.parametrize("secret", [*SECRETS, None])
    def test_is_what_is_no_token(self, garbage, secret):
        with pytest.raises(TaskTokenError, match="token"):
            decode(garbage, secret)

    @given(st.text(ALPHABET, max_size=300))
    def test_is_any_word_of_the_same_characters(self, word):
        with pytest.raises(TaskTokenError):
            decode(word, "")

    @given(st.binary(max_size=200))
    def test_is_a_body_that_somebody_has_made_with_its_checksum(self, body):
        with pytest.raises(TaskTokenError):
            decode(with_checksum(b"\x01" + body[:41] + b"\x05"), "")

    def test_is_a_body_with_words_that_are_longer_or_shorter_than_they_say(self):
        fixed = b"\x01" + struct.pack(">8sQ16s8sB", b"\x01" * 8, 1, b"\x01" * 16, b"\x01" * 8, 1)
        assert decode(with_checksum(fixed + b"\x04flux\x00\x00"), "").service == "flux"
        for words in (
            b"",
            b"\x04",
            b"\xffflux",
            b"\x04flux",
            b"\x04flux\x00",
            b"\x04flux\x00\x05",
            b"\x04flux\x00\x00\x00",
        ):
            with pytest.raises(TaskTokenError):
                decode(with_checksum(fixed + words), "")

    def test_is_one_of_another_secret(self):
        with pytest.raises(TaskTokenError, match="another task_secret"):
            decode(token_of("mine"), "yours")

    def test_is_one_without_a_signature_where_there_is_a_secret(self):
        with pytest.raises(TaskTokenError, match="not signed"):
            decode(token_of(""), "secret")

    def test_is_a_signed_one_where_there_is_no_secret(self):
        with pytest.raises(TaskTokenError, match="set the same task_secret"):
            decode(token_of("secret"), "")


class TestOfATaskThatWasNotCounted:
    @pytest.mark.parametrize("secret", [*SECRETS, None])
    def test_is_known_everywhere_and_holds_nothing(self, secret):
        assert decode(encode(None, ""), secret) is None

    def test_is_refused_where_it_was_changed(self):
        token = encode(None, "")
        with pytest.raises(TaskTokenError):
            decode(token[:-2] + ("AA" if token[-2:] != "AA" else "BA"), "")


class TestWhereTheSecretIsNotKnown:
    def test_a_signed_token_is_taken_as_it_is(self):
        assert decode(token_of("secret"), None).service == "kling"

    def test_a_checksum_is_checked(self):
        with pytest.raises(TaskTokenError):
            decode(token_of("")[:-2], None)
