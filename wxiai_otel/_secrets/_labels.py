"""Values that a name before them tells to be secrets: in prose, JSON, forms, headers, commands and settings."""

import re

from ._rule import BLANK, BLANKS, END, NO_DIGIT_AFTER, NO_LETTER_BEFORE, Rule, any_case, words

_NAMES = words(
    "password passwd passphrase passcode pwd pswd secret token credential credentials authorization jsessionid phpsessid"
    " session_id session_key session_cookie verification_code auth_code captcha otp otp_code pin_code cvv2 cvv cvc"
    " api_key access_key secret_key private_key account_key signing_key encryption_key encrypt_key master_key auth_key"
    " shared_key license_key service_key subscription_key client_key app_key pay_key sign_key aes_key des_key rsa_key ssh_key"
)
# `password_hash`, `password2`, `api_key_prod`: other words make another thing of it, as in `token_count`.
_SUFFIX = (
    rf"(?:[_-]?(?:{words('hash value text plain confirm confirmation repeat again base base64')})|[0-9]{{1,2}}"
    rf"|[_-]?(?:{words('for prod dev test live staging admin root user super secure main local')})[A-Za-z0-9_]{{0,24}}"
    r"| (?:for|of) [^ :=：\r\n]{1,64})?"
)
_NAME = f"(?:{_NAMES}){_SUFFIX}"
_CHINESE_CODES = "验证码|驗證碼|校验码|动态码|授权码|安全码|兑换码"
_CHINESE_WORDS = "密码|密碼|口令|令牌|密钥|密鑰|秘钥|私钥|凭证|凭据|会话ID|会话标识"
_CHINESE = f"(?:{_CHINESE_CODES}|{_CHINESE_WORDS})"
_DOCUMENTS = "身份证|护照|通行证|证件|卡号|银行卡|信用卡|手机|手机号|电话|联系方式|社保号"
_DOCUMENT = rf"(?:(?:{_DOCUMENTS})(?:号码|号)?|{words('passport_number passport_no passport hkid id_card_number id_card_no id_card card_number card_no phone_number ssn')})"

# After a name: what closes its own quotes, in JSON in JSON too.
_CLOSED = r"\\{0,7}(?:[\"'`”’」】]|&quot;|&#3[49];|%2[27]|u002[27])?\]?"
_SEPARATOR = (
    rf"{_CLOSED}{BLANK}{{0,8}}(?:[=-]>|→|:=|={{1,3}}|[:：＝]|%3[AaDd]|\\{{1,7}}u003[aAdD]|&#(?:58|61);){BLANK}{{0,8}}"
)
_BECOMES = "(?:由|从|已?(?:重置|修改|更新|变更|设置|改|设|置|换)(?:成|为)|是|为)[:：]?"

_WORD = rf"[^{END}]*[^{END})\]}}>,;.:\"'`\\]"


def _quoted(quote: str) -> str:
    """Return a pattern for a value in quotes, and in quotes that are escaped once or more often."""
    return (
        # Two in a row: '' within a value of SQL, and three of Python.
        rf"(?:{quote}[^{quote}\\]*+(?:\\[\s\S][^{quote}\\]*+)*+(?:{quote}|\\?\Z))++(?:[A-Za-z0-9][^{END}]*+)?"
        rf"|\\{quote}(?:[^{quote}\\]|\\++[^{quote}\\]|\\{{3,}}+{quote})*+(?:\\{{0,2}}{quote}|\\*\Z)"
        rf"|\\{{2,7}}{quote}(?:[^{quote}\\]|\\++[^{quote}\\]|\\{{5,}}+{quote})*+(?:\\{{0,4}}{quote}|\\*\Z)"
    )


_QUOTED = (
    rf"[bBrRuU]{{0,2}}(?:{_quoted(chr(34))}|{_quoted(chr(39))}|`[^`]*+(?:`|\Z))"
    r"|&(?:quot|#3[49]);[^&]*+(?:&(?:quot|#3[49]);|&|\Z)"
    r"|“[^”]*+(?:”|\Z)|‘[^’]*+(?:’|\Z)|「[^」]*+(?:」|\Z)|【[^】]*+(?:】|\Z)"
)
# A list or an object of texts.
_LISTED = r"[\[{(][ \t\r\n]{0,8}\\{0,7}[\"'][^\]})]*+(?:[\]})]|\Z)"
# YAML's texts of several lines: the first.
_BLOCK = r"[|>][+-]?[0-9]?[ \t]{0,8}\r?\n[^\n]*"
_VALUE = (_QUOTED, _LISTED, _BLOCK, _WORD)
# Letters and digits, as words of a sentence seldom have.
_MIXED = r"(?:[A-Za-z_@#$!%^&*.-]{3,64}[0-9]|[A-Za-z]{1,2}[0-9][!-~]{3}|[0-9]{1,64}[A-Za-z_@#$!%^&*.-])[!-~]*"

_HEADERS = words(
    "authorization proxy_authorization cookie cookie2 cookies set_cookie x_api_key x_auth_token x_csrf_token x_xsrf_token"
)

# After a separator these are no secrets, nor are placeholders, types and numbers of things.
_HARMLESS_WORDS = (
    "none null nil undefined true false yes no ok empty blank missing required invalid expired incorrect wrong mismatch"
    " mismatched failed failure error unknown unset redacted masked hidden str string int integer bytes bool optional any dict"
    " list object field value must should cannot can may is are was were not too has have had at least the a an your this"
    " please enter input len length type format rotated revoked changed updated reset set used valid and or for from with"
    " sha1 sha224 sha256 sha384 sha512 md5 hmac bcrypt argon2 argon2id scrypt pbkdf2 base64 aes128 aes256 rsa2048 rsa4096"
    " default disabled enabled present absent provided configured found exists rejected accepted denied granted success"
)
# Without what closes them.
_PLACEHOLDERS = (
    r"\?|%s|%\([a-z_]*\)s|\$[0-9]+|:[a-z_]+|\$?\{{1,2}[A-Za-z_. ]*|<[A-Za-z_. -]*|\*+|x{3,}"
    # A call, a length, a time.
    r"|[A-Za-z_.]{1,64}\([\s\S]*"
    r"|[0-9]{1,3}(?:[-~到至][0-9]{1,3})?(?:位|个|次|字符|小时|分钟|秒|天|年)[^A-Za-z0-9]*"
)
_CLOSING = "\"'`”’」】])>},;.!"
_HARMLESS = re.compile(
    rf"(?:[bBrRuU]?[\"'`“‘「【\[(<{{])?"
    rf"(?:{_HARMLESS_WORDS.replace(' ', '|')}|(?:this )?field (?:is )?required|{_PLACEHOLDERS})",
    re.IGNORECASE,
)
_HARMLESS_LINE = re.compile(rf"(?:{_HARMLESS_WORDS.replace(' ', '|')})(?:[ .,;!]|\Z)", re.IGNORECASE)
_HASHES = re.compile(r"(?:sha|md|aes|rsa|base|utf|ipv?|http|v)[_-]?[0-9]{1,4}[^A-Za-z0-9]*", re.IGNORECASE)
_COUNT = re.compile(r"[\"']?[0-9]{1,5}[\"']?")
_COUNTED = re.compile(r"(?:token|key|secret|credentials?|pass)[^A-Za-z0-9]*", re.IGNORECASE)


def _is_harmless(name: str, value: str) -> object:
    """Return whether the value after a name is a word of a message, a placeholder, a type, a count or a path."""
    if value.startswith("/") and name.casefold().startswith("pwd"):
        return True
    return _HARMLESS.fullmatch(value.rstrip(_CLOSING)) or (
        _COUNT.fullmatch(value) and _COUNTED.match(name[-16:].lstrip())
    )


def _is_harmless_line(_name: str, value: str) -> object:
    return _HARMLESS_LINE.match(value)


def _is_hash(_name: str, value: str) -> object:
    return _HASHES.match(value)


_NAMED = (
    "pass",
    "pwd",
    "pswd",
    "secret",
    "token",
    "key",
    "credential",
    "auth",
    "session",
    "sessid",
    "verification",
    "otp",
    "cvv",
    "cvc",
)
_NAMED_IN_CHINESE = ("码", "碼", "口令", "令牌", "钥", "鑰", "凭证", "凭据", "会话")
_ALL_NAMED = (*_NAMED, *_NAMED_IN_CHINESE)

LABELS = (
    Rule(
        "named value",
        _NAME + _SEPARATOR,
        _NAMED,
        masked=(
            ('{"password": "correct horse, \\"battery\\"", "user": "x"}', '{"password": "****", "user": "x"}'),
            (r"{\"password\": \"hun,ter2\", \"user\": \"x\"}", r"{\"password\": \"****\", \"user\": \"x\"}"),
            ("DB_PASSWORD=hun,ter&2 rejected", "DB_PASSWORD=**** rejected"),
            ("accessToken -> a1b2", "accessToken -> ****"),
            ("'clientSecret': b'x y'", "'clientSecret': b'****'"),
            ("host=db password=hunter2", "host=db password=****"),
            ("api_key：abcdef，已失效", "api_key：****，已失效"),
        ),
        kept=(
            "tokens=512",
            "max_tokens: 4096",
            "prompt_tokens=12",
            "password reset failed",
            "primary key=5",
            "cache key: user:42",
        ),
        value=_VALUE,
        harmless=_is_harmless,
        kept_in_process=("password: field required", "token: 512", "WHERE token = ? AND", "password=None, secret=%s"),
    ),
    Rule(
        "named value of a pair",
        rf"(?:\([bBuU]?|\[[bB])[\"'][A-Za-z0-9_.-]{{0,64}}(?:{_NAMES}|{_HEADERS})[\"'][ ]{{0,4}},[ ]{{0,4}}",
        (*_NAMED, "cookie"),
        masked=(
            (
                "[(b'authorization', b'Basic YTpi'), ('password', 'a b')]",
                "[(b'authorization', b'****'), ('password', '****')]",
            ),
        ),
        kept=("('body', 'password')", "['authorization', 'cookie']"),
        value=(_QUOTED,),
    ),
    Rule(
        "named value in Chinese",
        rf"{_CHINESE}(?:[（(][^（）()\r\n]{{0,20}}[)）])?(?:{_SEPARATOR}|{_BECOMES}{BLANK}{{0,8}})",
        _NAMED_IN_CHINESE,
        masked=(
            ("密码：hunter2，请修改", "密码：****，请修改"),
            ("口令=“a b”错误", "口令=“****”错误"),
            ("密钥已重置为abc123", "密钥已重置为****"),
        ),
        kept=("密码错误", "请输入密码", "密码长度至少8位", "密码：不能为空", "令牌是否有效"),
        value=(_QUOTED, _LISTED, _BLOCK, f"[!-~０-ｚ](?:{_WORD})?"),
        harmless=_is_harmless,
        kept_in_process=("密码为8-16位字符",),
    ),
    Rule(
        "value after a name in prose",
        (
            rf"((?:{words('password passwd passphrase passcode secret token')})"
            rf"(?: (?:(?:is|was|(?:re)?set to|changed to|updated to):? )?|[(\[<>])){_MIXED}"
        ),
        ("pass", "secret", "token"),
        masked=(("the password is hunter2.", "the password is ****"), ("passwd[hunter2]", "passwd[****")),
        kept=("the token is invalid", "password was changed"),
        harmless=_is_hash,
        kept_in_process=("the password is sha256 hashed",),
    ),
    Rule(
        "code in prose",
        (
            rf"((?:{words('verification_code security_code confirmation_code login_code your_code passcode otp pin')})"
            r"(?: is|:| =)? )[0-9]{4,8}"
        ),
        ("code", "otp", "pin"),
        masked=(("Your verification code is 482913.", "Your verification code is ****."),),
        kept=("error code 10061", "your code is not valid"),
        after=NO_DIGIT_AFTER,
    ),
    Rule(
        "quoted value after a name",
        rf"(?:{words('password passwd passphrase passcode secret api_key private_key access_key')}|{_CHINESE})[ \t　]{{1,4}}",
        _ALL_NAMED,
        masked=(("private key 'hop enobody' refused", "private key '****' refused"),),
        kept=("'password' is 'x'", "password reset"),
        value=(_QUOTED,),
        harmless=_is_harmless,
    ),
    Rule(
        "value named pass",
        rf"{any_case('pass')}{_SEPARATOR}",
        ("pass",),
        masked=(("user=mailer pass=m@il3r!", "user=mailer pass=****"),),
        kept=("bypass=all", "passed: 12"),
        before=NO_LETTER_BEFORE,
        value=(_QUOTED, _WORD),
        harmless=_is_harmless,
        kept_in_process=("pass: 12, fail: 3",),
    ),
    Rule(
        "value after a name in Chinese prose",
        (
            rf"({_CHINESE}[ \t　（(\[]{{0,2}}){_MIXED}|({_CHINESE}[「“【])[!-~][^」”】]*"
            rf"|((?:{_CHINESE_CODES})[ \t　（(\[【「“\"']{{0,2}})[0-9]{{4,8}}"
        ),
        _NAMED_IN_CHINESE,
        masked=(
            ("验证码123456，五分钟内有效", "验证码****，五分钟内有效"),
            ("密码 hunter2错误", "密码 ****错误"),
            ("密码「p@ss」", "密码「****」"),
        ),
        kept=("密码不正确", "验证码5分钟内有效"),
        harmless=_is_hash,
        kept_in_process=("密码sha256加密",),
    ),
    Rule(
        "named document or number",
        rf"({_DOCUMENT}(?:{_SEPARATOR}|{_BECOMES}){BLANK}{{0,4}}[\"'“]?|{_DOCUMENT}{BLANK}{{0,2}})[A-Z(]{{0,3}}[0-9][0-9A-Za-z ()（）-]{{4,22}}[0-9A-Za-z)）]",
        (
            "身份证",
            "护照",
            "通行证",
            "证件",
            "卡",
            "手机",
            "电话",
            "联系方式",
            "社保",
            "passport",
            "hkid",
            "card",
            "phone",
            "ssn",
        ),
        masked=(("护照号：E12345678", "护照号：****"), ("HKID: A123456(7)", "HKID: ****")),
        kept=("身份证未实名", "卡号错误", "card declined"),
    ),
    Rule(
        "option of a command",
        (
            rf"--[A-Za-z-]{{0,32}}(?:{_NAMES})[ \t]{{1,4}}"
            r"|(?:sshpass -p|redis-cli [^\r\n]{0,64}?-a|mysql[a-z]{0,8} [^\r\n]{0,64}?-p"
            rf"|(?:-u|--user)[ =]?[A-Za-z][^{END}:/]{{0,64}}:)[ ]?"
        ),
        ("--", "sshpass", "redis-cli", "mysql", "-u ", "-u="),
        masked=(
            ("run --password hunter2 --port 1", "run --password **** --port 1"),
            ("curl -u admin:hunter2 http://x", "curl -u admin:**** http://x"),
            ("sshpass -p 'a b' ssh x", "sshpass -p '****' ssh x"),
        ),
        kept=("run --token-file x", "docker run -u 1000:1000"),
        value=(_QUOTED, f"[^{END}-]{_WORD}"),
        harmless=_is_harmless,
    ),
    Rule(
        "element of XML",
        rf"(<[A-Za-z0-9_.:-]{{0,64}}(?:{_NAME})>(?:<!\[CDATA\[)?)[^<]+",
        _NAMED,
        masked=(("<user><password>hun ter2</password></user>", "<user><password>****</password></user>"),),
        kept=("<token/>", "<tokens>5</tokens>"),
    ),
    Rule(
        "field of a form",
        rf"(name=\\?[\"'][A-Za-z0-9_.-]{{0,64}}(?:{_NAME})\\?[\"'](?:\r?\n\r?\n|(?:\\r)?\\n(?:\\r)?\\n))[^\r\n\\]+",
        _NAMED,
        masked=(('name="password"\r\n\r\nhunter2\r\n--', 'name="password"\r\n\r\n****\r\n--'),),
        kept=('<input name="password"> needed',),
    ),
    Rule(
        "header with credentials",
        rf"(?:{_HEADERS}){_CLOSED}{BLANK}{{0,8}}[:=：]{BLANK}{{0,8}}",
        ("auth", "cookie", "csrf", "xsrf", "x-api", "x_api"),
        masked=(
            ("Cookie: a=b; c=d", "Cookie: ****"),
            ("请求头 Authorization：Bearer abc", "请求头 Authorization：****"),
            ("{'cookie': 'a=b; c=d', 'x': 1}", "{'cookie': '****', 'x': 1}"),
        ),
        kept=("cookie consent", "authorization failed"),
        value=(_QUOTED, _BLOCK, rf"[^{BLANKS}\r\n][^\r\n]*"),
        harmless=_is_harmless_line,
        kept_in_process=("Authorization: missing",),
    ),
)
