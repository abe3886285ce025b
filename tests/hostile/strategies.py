"""What may come from outside."""

from hypothesis import strategies as st

# Lone surrogates among them.
ANY = st.text(st.characters(), max_size=60)
LONG = st.builds(lambda unit, times: unit * times, st.text(min_size=1, max_size=8), st.integers(100, 3_000))
TELLING = st.lists(
    st.sampled_from(
        [
            *("\n", "\r\n", "\x00", "\x1b[2J", "\u2028", "\u202e", "\ud800", "%", "%00", "%0d%0a", "{x}", "${jndi:x}"),
            *("](http://evil.example)", "[a", "![", "**", "<at id=all>", "<@all>", "<font color=red>", "# ", "> ", "|"),
            *("\n\n[a]: http://evil.example", "\n.\n", "\nBcc: x@evil.example", "'", '"', "\\", "--", "/*", ";", "."),
            *(" ", "\t", ",", "=", "a", "9", "é", "告", "🚨"),
        ]
    ),
    max_size=12,
).map("".join)
TEXT = ANY | TELLING | LONG

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)

# Names and values as servers let them through.
HEADER_NAMES = st.sampled_from(
    [
        *(b"traceparent", b"tracestate", b"baggage", b"x-forwarded-for", b"authorization", b"accept", b"cookie"),
        *(b"content-type", b"content-length", b"user-agent", b"host", b"x-b3-traceid", b"b3", b"uber-trace-id"),
    ]
)
_TRACES = st.sampled_from(
    [
        b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-00",
        b"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        b"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        b"a=b,c=d",
        b"ot=rv:zzzzzzzzzzzzzz;th:0",
        b"ot=rv:6e6d1a75832a2f;th:8",
        b"k=v;p=1,k2=%F0%9F",
        b"bearer \xc3\xa9",
        b"10.0.0.1, 10.0.0.2",
        b"[2001:db8::1]:443",
    ]
)
HEADER_VALUES = (
    st.binary(max_size=80)
    | st.builds(lambda unit, times: unit * times, st.binary(min_size=1, max_size=4), st.integers(100, 5_000))
    | _TRACES
    | st.lists(_TRACES | st.sampled_from([b",", b" ", b"\t", b";"]), max_size=6).map(b"".join)
)
HEADERS = st.lists(st.tuples(HEADER_NAMES, HEADER_VALUES), max_size=5)
