"""Texts that rules would mask although they are no secrets. A mark in them keeps the rules from matching."""

from ._labels import ANY_NAME, CLOSED, EITHER_SEPARATOR, NAMED, NAMED_IN_CHINESE
from ._rule import BLANK, END, NUMBER, Harmless, words

# Words of messages, types and placeholders.
_WORDS = words(
    "none null nil undefined true false yes no ok empty blank missing required invalid expired incorrect wrong"
    " mismatch mismatched failed failure error unknown unset unauthorized str string int integer bytes bool any"
    " dict list object field value must should cannot can may is are was were not too has have had at the an your"
    " this please enter input len length type format rotated revoked changed updated reset used valid and or for"
    " from with raise return include hmac bcrypt argon2id scrypt pbkdf2 default disabled enabled present absent"
    " provided configured found exists rejected accepted denied granted success eof redacted masked hidden"
    " filtered removed"
)
_QUOTED = words(
    "none null required missing invalid expired empty unset unknown string str text true false yes no redacted"
)
_MASKED = r"[*]+|[xX]{3,}|\?|%s|%\([a-z_]*\)s|\$[0-9]+|:[a-z_]+|(?i:sha|md|aes|rsa|base|argon)[0-9]{1,4}"
_PLACEHOLDERS = (
    r"\$?\{{1,2}(?:[A-Za-z_. ]*[A-Za-z_])?|<(?:[A-Za-z_. -]*[A-Za-z_-])?"
    # A call and a type.
    rf"|[A-Za-z_.]{{1,64}}\([^{END}]*|(?:[Oo]ptional|[Uu]nion|[Ll]ist|[Dd]ict|Literal|Annotated)\[[^{END}]*"
    # A length, a time, a number of times.
    r"|[0-9]{1,3}(?:[-~到至][0-9]{1,3})?(?:位|个|次|字符|小时|分钟|秒|天|年|张)[一-鿿]{0,40}"
    # A message in Chinese.
    r"|[不未无空错失必请已应需长格过缺为有至最没非][一-鿿0-9]{0,40}"
)
_ENDS = rf"[\"'`”’」】\])>}},;:.!]*(?:[{END}]|$)"
_UNITS = "bytes|byte|[KMGT]i?B|ns|us|µs|ms|nanoseconds|microseconds|milliseconds|seconds|tokens|rows"
_MEASURES = "bytes length size memory offset seed duration elapsed latency timestamp"
_THINGS = "order task job trade batch message msg request req"

HARMLESS = (
    Harmless(
        "message after a name",
        (
            (
                f"{ANY_NAME}{EITHER_SEPARATOR}",
                (
                    rf"(?:[\[(<{{]?(?:{_WORDS}|{_MASKED}|{_PLACEHOLDERS}){_ENDS}"
                    rf"|[\"'](?:{_QUOTED}|[*]+|%s|\?)?[\"'](?:[^\"'A-Za-z0-9]|$))"
                ),
            ),
            (
                rf"(?:{words('token key keys secret secrets credential credentials cookie cookies pass authorization')}){CLOSED}{BLANK}{{0,8}}[=:：＝]{BLANK}{{0,8}}",
                rf"[\"']?[0-9]{{1,5}}{_ENDS}",
            ),
            (rf"(?:{words('pwd')})[=:]{BLANK}{{0,8}}", r"/"),
            (r"nexpected token:? ?", r"[^ ]"),
            (
                rf"(?:{words('password passwd secret token')})(?: is | was | )|密码|口令|密钥",
                r"(?i:sha|md|aes|rsa)[_-]?[0-9]{1,4}(?:[^A-Za-z0-9]|$)",
            ),
        ),
        (*NAMED, "cookie", *NAMED_IN_CHINESE),
        kept=(
            "password: field required",
            "WHERE token = ? AND b",
            "password=None, secret=%s",
            "token: 512",
            "密码为8-16位字符",
            "密码sha256加密",
            "the password is sha256 hashed",
            "access_key：未配置",
            '{"password":"","token":null}',
            "Authorization: missing",
            "pwd=/srv",
            "password: Optional[str] = None",
            "secret=<redacted>",
            "Unexpected token: EOF",
        ),
    ),
    Harmless(
        "measured or counted number",
        (
            (rf"(?:{words(_MEASURES)}|耗时|大小|内存|种子|时间戳)[\"']?[ :=：]{{0,3}}[0-9]", r"[0-9]{6,}"),
            (
                rf"(?:{words(_THINGS)}|订单|任务|批次|流水|交易|商户单|退款单|运单|编号)(?:[ _-]?(?i:id|no|number|num|sn|号))?[\"']?[ :=#：号]{{0,3}}[0-9]",
                r"[0-9]{12,15}(?:[^0-9]|$)",
            ),
            (r"(?:^|[^0-9])(?:[0-9]|[0-9]{2,10})\.[0-9]", r"[0-9]{6,}"),
            (
                r"(?:^|[^0-9])[0-9]",
                rf"[0-9]{{9,18}}(?:\.[0-9]{{1,9}})? ?(?:(?:{_UNITS})(?:[^A-Za-z0-9]|$)|纳秒|微秒|毫秒|秒|字节)",
            ),
        ),
        (NUMBER,),
        kept=(
            "took 1.13800138000 s",
            "took 13812345678 ns",
            "耗时13812345678纳秒",
            "content-length: 15000000000",
            "order 4111111111111111",
            "订单号：4111111111111111",
        ),
    ),
    Harmless(
        "address of a repository",
        ((r"git", r"@[A-Za-z0-9.-]{1,255}:[A-Za-z~]"),),
        ("git@",),
        kept=("clone git@github.com:team/project.git",),
    ),
)
