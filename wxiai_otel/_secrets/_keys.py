"""Secrets that are recognized by their own form: keys of services, tokens, private keys, mail addresses, URLs."""

from ._rule import AT_AFTER, DISCORD, END, NO_LETTER_BEFORE, TEXT_BEFORE, Rule, any_case

_CHINESE = "一-鿿"
_MAIL = (
    rf"(?:[A-Za-z0-9._%+-]{{1,64}}|[{_CHINESE}]{{1,16}})(?:[@＠]|%40)"
    rf"(?:[A-Za-z0-9{_CHINESE}-]{{1,63}}\.){{1,8}}"
    rf"(?:[A-Za-z]{{2,24}}|公司|中国|网络|网址|[{_CHINESE}]{{2,4}})"
)
# The password of a URL may have slashes and at signs; a port, and an at sign in the path, are no password.
_USER = r"(//)(?:[^/ \t\r\n\"'<>@\[]{1,256}|[^/ \t\r\n\"'<>:@\[]{0,128}:[0-9]{0,5}[^0-9/ \t\r\n\"'<>][^ \t\r\n\"'<>]{0,250})"
USER = Rule(
    "user and password of a URL",
    _USER,
    ("//",),
    masked=(
        ("postgresql://wxiai:hunter2@db:5432/wxiai", "postgresql://****@db:5432/wxiai"),
        ("https://user:pa/ss@w@host/", "https://****@host/"),
        ("连接redis://:hunter2@cache失败", "连接redis://****@cache失败"),
    ),
    kept=("http://localhost:8080/@vite/client", "https://medium.com/@user/post", "// comment @decorator"),
    after=AT_AFTER,
)
# The query string of a URL or path. Notifications keep it, because readers follow the links.
QUERY = Rule(
    "query string",
    rf"(\?)[^{END}\"'<>?=]*=[^{END}\"'<>]*",
    ("?",),
    masked=(('"GET /reset?code=s3cret&x=1 HTTP/1.1" 200', '"GET /reset?**** HTTP/1.1" 200'),),
    kept=("really? a = b", "WHERE a = ? AND b = ?", "是吗？a=b"),
    before=TEXT_BEFORE,
)
_PREFIXED = (
    r"gh[pousr]_[A-Za-z0-9]{16,}",
    r"github_pat_[A-Za-z0-9_]{20,}",
    r"glpat-[A-Za-z0-9_-]{16,}",
    r"xox[abeprs]-[A-Za-z0-9-]{10,}",
    r"xapp-[A-Za-z0-9-]{10,}",
    r"A(?:KIA|SIA|ROA|IDA)[0-9A-Z]{12,}",
    r"AIza[A-Za-z0-9_-]{30,}",
    r"ya29\.[A-Za-z0-9_-]{16,}",
    r"GOCSPX-[A-Za-z0-9_-]{16,}",
    r"(?:LTAI|AKID|AKLT|ALTAK-)[A-Za-z0-9]{12,}",
    r"SG\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    r"hvs\.[A-Za-z0-9_-]{20,}",
    r"[0-9]{8,10}:AA[A-Za-z0-9_-]{30,}",
    r"(?:sk|pk|rk)_(?:live|test|prod)_[A-Za-z0-9]{8,}",
)
# Shorter beginnings, which words may have too.
_SHORT_BEGINNINGS = (
    "hf_ r8_ npm_ gsk_ sbp_ fw_ ntn_ glsa_ shpat_ shpss_ shpca_ shppa_ dckr_pat_ dop_v1_ lin_api_ lsv2_pt_ lsv2_sk_ whsec_ sk_"
    " tvly- nvapi- xai- pplx-"
)
_SHORT = (
    rf"(?:{_SHORT_BEGINNINGS.replace(' ', '|')})[A-Za-z0-9]{{16,}}[A-Za-z0-9_-]*",
    r"(?:pypi|PMAK|NRAK|key)-[A-Za-z0-9]{20,}[A-Za-z0-9_-]*",
    # Of OpenAI and its likes. Names of models and tasks have neither digits nor so long words.
    r"sk-(?:[A-Za-z_-]{0,64}[0-9][A-Za-z0-9_-]{8,}|[A-Za-z0-9_-]{0,64}?[A-Za-z0-9]{16,}[A-Za-z0-9_-]*)",
)
_SCHEMED = (
    # A digit, or letters of both cases, or a padding: words are not masked.
    r"[A-Za-z._~+/-]{0,512}(?:[0-9]|[a-z][A-Z])[A-Za-z0-9._~+/-]{3,}={0,2}|[A-Za-z]{24,}|[A-Za-z0-9+/]{10,}={1,2}"
)

KEYS = (
    Rule(
        "private key",
        r"-{4,5} ?BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)? ?-{4,5}[\s\S]*?(?:-{4,5} ?END [A-Z0-9 ]{0,40}-{4,5}|\Z)",
        ("private key",),
        masked=(
            (
                "a -----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY----- b",
                "a **** b",
            ),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,AB\n\nMIIEow\n",
                "****",
            ),
            (
                "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQOYBF\n=ab\n-----END PGP PRIVATE KEY BLOCK-----",
                "****",
            ),
            (
                r'"-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----\n"',
                r'"****\n"',
            ),
        ),
        kept=("private key not found", "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----"),
    ),
    Rule(
        "JSON Web Token",
        r"eyJ(?:[A-Za-z0-9_-]{16,}(?:\.[A-Za-z0-9_-]*){0,4}|[A-Za-z0-9_-]{1,15}(?:\.[A-Za-z0-9_-]+){1,4})",
        ("eyj",),
        masked=(
            ("令牌eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3无效", "令牌****无效"),
            ("x_eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0", "x_****"),
        ),
        kept=("keyJ", "eyJ"),
    ),
    Rule(
        "webhook of a chat",
        r"(/webhook/send\?key=|/robot/send\?access_token=|/hook/|hooks\.slack\.com/services/|/api/webhooks/[0-9]{1,24}/)"
        r"[A-Za-z0-9_/-]{8,}",
        ("hook", "/robot/send"),
        masked=(
            (
                "https://open.feishu.cn/open-apis/bot/v2/hook/0b1c2d3e-1111-2222-3333-444455556666",
                "https://open.feishu.cn/open-apis/bot/v2/hook/****",
            ),
            ("https://discord.com/api/webhooks/123456/AbCdEfGhIjKl", "https://discord.com/api/webhooks/123456/****"),
        ),
        kept=("POST /hook/ answered 200", "webhook delivered"),
    ),
    USER,
    Rule(
        "password of an address",
        # The other is Oracle's.
        r"(:|[A-Za-z]/)[^ \t\r\n\"'<>:@/]{1,128}@(?:tcp\(|unix\(|//|[A-Za-z0-9.-]{1,255}:[0-9]{2,5})",
        ("@",),
        masked=(
            ("root:hunter2@tcp(db:3306)/wxiai", "root:****db:3306)/wxiai"),
            ("proxy u:hunter2@10.0.0.1:8080", "proxy u:****"),
        ),
        kept=("deploy@web-1:22", "a: b@c"),
    ),
    Rule(
        "mail address",
        _MAIL,
        ("@", "＠", "%40"),
        masked=(
            ("邮箱li.lei+wx@example.com.cn未验证", "邮箱****未验证"),
            ("mail=li.lei%40example.com", "mail=****"),
            ("请联系 张三@例子.公司", "请联系 ****"),
        ),
        kept=("@app.get('/x')", "react@18.2.0", "a @ b.T", "@张三 你好"),
    ),
    Rule(
        "credentials of an authentication scheme",
        (
            rf"((?:{any_case('bearer')}|{any_case('basic')}|{any_case('token')}|{any_case('apikey')})[ \t　]{{1,8}})(?:{_SCHEMED})"
            rf"|({any_case('bearer')}[ \t　:：]{{1,8}})(?:[A-Za-z._~+/-]{{0,64}}[0-9][A-Za-z0-9._~+/=-]*|[A-Za-z]{{24,}})"
        ),
        ("bearer", "basic", "token", "apikey"),
        masked=(("请求头Bearer a1b2c3d4e5无效", "请求头Bearer ****无效"), ("Basic bGlsZWk6aHVudGVyMg==", "Basic ****")),
        kept=("basic authentication failed", "bearer token missing", "Basic plan", "token bucket", "token count 100"),
        before=NO_LETTER_BEFORE,
    ),
    Rule(
        "key of a service",
        f"(?:{'|'.join(_PREFIXED)})",
        tuple(
            "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ glpat- xoxa- xoxb- xoxe- xoxp- xoxr- xoxs- xapp- akia asia aroa aida aiza ya29."
            " gocspx- ltai akid aklt altak- sg. hvs. :aa _live_ _test_ _prod_".split()
        ),
        masked=(
            ("key_AKIAIOSFODNN7EXAMPLE无效", "key_****无效"),
            ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "****"),
        ),
        kept=("pk_user_accounts_2024", "7f3a9c0b1d2e4f60aabbccddeeff0011"),
    ),
    Rule(
        "key of an AI service",
        f"(?:{'|'.join(_SHORT)})",
        (*_SHORT_BEGINNINGS.split(), "pypi-", "pmak-", "nrak-", "key-", "sk-"),
        masked=(("用sk-proj-abcdEFGH1234567890abcd无效", "用****无效"), ("_hf_abcdefghijklmnopqrst", "_****")),
        kept=(
            "sk-learn-pipeline-trainer",
            "task-token-bucket-limiter-2024",
            "risk-7f3a9c0b1d2e4f60aabb",
            "npm_config_registry_url",
        ),
        before=NO_LETTER_BEFORE,
    ),
    Rule(
        "token of a Discord account",
        r"[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,}",
        (DISCORD,),
        masked=(("x_MTIzNDU2Nzg5MDEyMzQ1Njc4.GabcdE.abcdefghijklmnopqrstuvwxyz01234567890", "x_****"),),
        kept=("a.b.c.d.example.com",),
    ),
)
