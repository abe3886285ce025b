"""Values that a name before them tells to be secrets: in prose, JSON, forms, headers, commands and settings."""

from ._rule import BLANK, END, NO_DIGIT_AFTER, NO_DIGIT_BEFORE, NO_LETTER_BEFORE, Boundary, Rule, any_case, words

_NAMED_BY = (
    "password passwd passphrase passcode pwd pswd secret token credential credentials authorization jsessionid phpsessid"
    " session_id session_key session_cookie verification_code auth_code verify_code sms_code 2fa_code mfa_code captcha otp otp_code pin_code cvv2 cvv cvc"
    " api_key access_key secret_key private_key account_key signing_key encryption_key encrypt_key master_key auth_key"
    " shared_key license_key mch_key merchant_key partner_key consumer_key webhook_key hmac_key v3_key service_key subscription_key client_key app_key pay_key sign_key aes_key des_key rsa_key ssh_key"
)
_NAMES = words(_NAMED_BY)
# `password_hash`, `password2`, `api_key_prod`: other words make another thing of it, as in `token_count`.
_SUFFIX = (
    rf"(?:[_-]?(?:{words('hash value text plain confirm confirmation repeat again base base64')})|[0-9]{{1,2}}"
    rf"|[_-]?(?:{words('for prod dev test live staging admin root user super secure main local')})[A-Za-z0-9_]{{0,24}}"
    r"| (?:provided|given|received)| (?:for|of) [^ :=：\r\n]{1,64})?"
)
_NAME = f"(?:{_NAMES}){_SUFFIX}"
_CHINESE_CODES = "验证码|驗證碼|校验码|动态码|授权码|安全码|兑换码"
_CHINESE_WORDS = "密[ 　]{0,2}码|密碼|口令|令牌|密钥|密鑰|秘钥|私钥|凭证|凭据|会话ID|会话标识"
_CHINESE = f"(?:{_CHINESE_CODES}|{_CHINESE_WORDS})"
_DOCUMENTS = "身份证|护照|通行证|证件|卡号|银行卡|信用卡|手机|手机号|电话|联系方式|社保号"
_DOCUMENT = rf"(?:(?:{_DOCUMENTS})(?:号码|号)?|{words('passport_number passport_no passport hkid id_card_number id_card_no id_card card_number card_no phone_number ssn')})"

# After a name: what closes its own quotes, in JSON in JSON too.
CLOSED = r"\\{0,7}(?:[\"'`”’」】]|&quot;|&#3[49];|%2[27]|u002[27])?\]?"
_SEPARATOR = (
    rf"{CLOSED}{BLANK}{{0,8}}(?:[=-]>|→|:=|={{1,3}}|[:：＝]|%3[AaDd]|\\{{1,7}}u003[aAdD]|&#(?:58|61);){BLANK}{{0,8}}"
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

_IN_HEADERS = "authorization proxy_authorization cookie cookie2 cookies set_cookie x_api_key x_auth_token x_csrf_token x_xsrf_token"
_HEADERS = words(_IN_HEADERS)

# Its first letters are literals, which `re` finds fastest.
ANY_NAME = (
    rf"(?:{words(f'{_NAMED_BY} {_IN_HEADERS} pass')}|{_CHINESE_CODES}|{_CHINESE_WORDS})"
    rf"(?:{_SUFFIX}|[（(][^（）()\r\n]{{0,20}}[)）])"
)
EITHER_SEPARATOR = rf"(?:{_SEPARATOR}|{_BECOMES}{BLANK}{{0,8}})"

NAMED = (
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
    "verif",
    "sms",
    "2fa",
    "mfa",
    "otp",
    "cvv",
    "cvc",
)
NAMED_IN_CHINESE = ("码", "碼", "口令", "令牌", "钥", "鑰", "凭证", "凭据", "会话")

# Fields of forms, and headers as ASGI has them.
_OF_PAIRS = words(
    "password passwd passphrase pwd secret token credentials authorization cookie session_id captcha otp verification_code"
    " api_key access_key secret_key private_key"
)
_CODE_AFTER = (
    rf" ?(?:(?:is|as) your [A-Za-z ]{{0,32}}(?:code|OTP|PIN)|[是为][您你]的[一-鿿]{{0,6}}(?:{_CHINESE_CODES}))"
)
_NAMED_AFTER = Boundary(f"(?={_CODE_AFTER})", _CODE_AFTER)

LABELS = (
    Rule(
        "named value",
        _NAME + _SEPARATOR,
        NAMED,
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
    ),
    Rule(
        "named value of a pair",
        rf"(?:\([bBuU]?|\[[bB])[\"'][A-Za-z0-9_.-]{{0,64}}(?:{_OF_PAIRS})[\"'][ ]{{0,4}},[ ]{{0,4}}",
        ("('", '("', "(b", "(u", "[b"),
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
        NAMED_IN_CHINESE,
        masked=(
            ("密码：hunter2，请修改", "密码：****，请修改"),
            ("口令=“a b”错误", "口令=“****”错误"),
            ("密钥已重置为abc123", "密钥已重置为****"),
        ),
        kept=("密码错误", "请输入密码", "密码长度至少8位", "密码：不能为空", "令牌是否有效"),
        value=(_QUOTED, _LISTED, _BLOCK, f"[!-~０-ｚ](?:{_WORD})?"),
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
    ),
    Rule(
        "code in prose",
        (
            rf"((?:{words('verification_code security_code confirmation_code login_code your_code passcode otp pin')})"
            r"(?: is|:| =)? )[0-9]{4,8}"
        ),
        ("verif", "security", "confirmation", "login", "your", "passcode", "otp", "pin ", "pin:"),
        masked=(("Your verification code is 482913.", "Your verification code is ****."),),
        kept=("error code 10061", "your code is not valid"),
        after=NO_DIGIT_AFTER,
    ),
    Rule(
        "code before its name",
        r"(?:G-)?[0-9]{4,8}",
        ("s your ", "您的", "你的"),
        masked=(
            ("482913 is your verification code", "**** is your verification code"),
            ("G-482913 is your code, 4829为您的验证码", "**** is your code, ****为您的验证码"),
        ),
        kept=("4829 is your order", "任务4829是您的第3个任务"),
        before=NO_DIGIT_BEFORE,
        after=_NAMED_AFTER,
    ),
    Rule(
        "quoted value after a name",
        rf"(?:{words('password passwd passphrase passcode secret api_key private_key access_key')}|{_CHINESE})(?: is| was|是|为)?[ \t　]{{1,4}}",
        ("pass", "secret", "key", *NAMED_IN_CHINESE),
        masked=(("private key 'hop enobody' refused", "private key '****' refused"),),
        kept=("'password' is 'x'", "password reset"),
        value=(_QUOTED,),
    ),
    Rule(
        "value named pass",
        rf"{any_case('pass')}{_SEPARATOR}",
        ("pass",),
        masked=(("user=mailer pass=m@il3r!", "user=mailer pass=****"),),
        kept=("bypass=all", "passed: 12"),
        before=NO_LETTER_BEFORE,
        value=(_QUOTED, _WORD),
    ),
    Rule(
        "value after a name in Chinese prose",
        (
            rf"({_CHINESE}(?:[ \t　（(\[]{{0,2}}|[一-鿿]{{2,3}}[:：]{BLANK}?)){_MIXED}|({_CHINESE}[「“【])[!-~][^」”】]*"
            rf"|((?:{_CHINESE_CODES})[ \t　（(\[【「“\"']{{0,2}})[0-9]{{4,8}}"
        ),
        NAMED_IN_CHINESE,
        masked=(
            ("验证码123456，五分钟内有效", "验证码****，五分钟内有效"),
            ("密码 hunter2错误", "密码 ****错误"),
            ("密码「p@ss」", "密码「****」"),
        ),
        kept=("密码不正确", "验证码5分钟内有效"),
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
    ),
    Rule(
        "element of XML",
        rf"(<[A-Za-z0-9_.:-]{{0,64}}(?:{_NAME})>(?:<!\[CDATA\[)?)[^<]+",
        ("<",),
        masked=(("<user><password>hun ter2</password></user>", "<user><password>****</password></user>"),),
        kept=("<token/>", "<tokens>5</tokens>"),
    ),
    Rule(
        "field of a form",
        rf"(name=\\?[\"'][A-Za-z0-9_.-]{{0,64}}(?:{_NAME})\\?[\"'](?:\r?\n\r?\n|(?:\\r)?\\n(?:\\r)?\\n))[^\r\n\\]+",
        ("name=",),
        masked=(('name="password"\r\n\r\nhunter2\r\n--', 'name="password"\r\n\r\n****\r\n--'),),
        kept=('<input name="password"> needed',),
    ),
    Rule(
        "header with credentials",
        rf"(?:{_HEADERS}){CLOSED}{BLANK}{{0,8}}[:=：]{BLANK}{{0,8}}",
        ("auth", "cookie", "csrf", "xsrf", "x-api", "x_api"),
        masked=(
            ("Cookie: a=b; c=d", "Cookie: ****"),
            ("请求头 Authorization：Bearer abc", "请求头 Authorization：****"),
            ("{'cookie': 'a=b; c=d', 'x': 1}", "{'cookie': '****', 'x': 1}"),
        ),
        kept=("cookie consent", "authorization failed"),
        value=(_QUOTED, _BLOCK, rf"[^{END}][^\r\n]*"),
    ),
)
