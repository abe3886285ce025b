"""The table of secrets: what is searched for in texts, by the process and by the Collector.

Both interpreters are generated from the table: `wxiai_otel._redaction` compiles it for `re`, and
``collector/redaction.py`` writes it for RE2.
"""

from ._harmless import HARMLESS
from ._keys import KEYS, QUERY, USER
from ._labels import LABELS
from ._numbers import NUMBERS
from ._rule import MARK, SHAPES, Harmless, Rule, for_re2, one_of, python, re2
from ._values import VALUES

__all__ = [
    "HARMLESS",
    "MARK",
    "QUERY",
    "RULES",
    "SECRET_NAMES",
    "SHAPES",
    "USER",
    "Harmless",
    "Rule",
    "for_re2",
    "one_of",
    "python",
    "re2",
]

# In this order: URLs before the names and mail addresses within them, and values before the lines and query strings
# around them, since what follows a masked name is not recognized.
RULES: tuple[Rule, ...] = (*KEYS[:4], *LABELS, *VALUES, QUERY, *KEYS[4:], *NUMBERS)
# Attributes with these names hold secrets whatever their values look like.
SECRET_NAMES = (
    (
        r"(?i)(?:pass_?word|passwd|passphrase|secret|authorization|cookie|credential"
        r"|(?:api|private|access|encryption|signing|account)[-_. ]?key|session[-_.]?(?:id|key)|sessid|captcha"
        r"|密码|口令|令牌|密钥|私钥|凭证|验证码|身份证|手机号|卡号)"
    ),
    r"(?i)(?:^|[-_. ])(?:token|pwd|dsn|cvv|otp)$",
    r"[a-z0-9](?:Token|Pwd|Dsn)$",
)
