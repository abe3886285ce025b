"""What no sink may be shown, whoever puts it into a span, a log record, a label or a notification."""

MAIL = "li.lei+wx@example.com.cn"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
KEY = "sk-proj-abcdEFGH1234567890abcd"

# What may stand in any text, and the part of it that must not be stored.
TEXTS = {
    f"mail to {MAIL} failed": MAIL,
    f"Authorization: Bearer {JWT}": JWT,
    f"token {JWT}": JWT,
    f"the key {KEY} is invalid": KEY,
    "Basic bGlsZWk6aHVudGVyMg==": "bGlsZWk6aHVudGVyMg",
    "postgresql://wxiai:hunter2@db.internal:5432/wxiai": "hunter2",
    "redis://:hunter2@cache:6379/0": "hunter2",
    "https://x/cb?access_token=q1w2e3r4t5&state=1": "q1w2e3r4t5",
    '{"password": "hunter2", "user": "x"}': "hunter2",
    "password=hunter2": "hunter2",
    "api_key: abcdef123456": "abcdef123456",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789": "ghp_abcdefghijklmnopqrstuvwxyz",
    "AKIAIOSFODNN7EXAMPLE": "AKIAIOSFODNN7EXAMPLE",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----": "MIIEow",
    "card 4111111111111111": "4111111111111111",
    "call 13812345678": "13812345678",
    "id 11010519491231002X": "11010519491231002X",
    "手机号13812345678密码错误": "13812345678",
    "登录失败，密码：hunter2，请重试": "hunter2",
    "user_13812345678 is locked": "13812345678",
    'login with {"token": "correct horse, battery"}': "correct horse",
    "https://user:pa/ss@w0rd@host/": "pa/ss@w0rd",
    "Cookie: sid=q1w2e3r4t5; theme=dark": "q1w2e3r4t5",
    "邮箱li.lei@例子.公司未验证": "li.lei@例子",
}

# Attributes whose values are secrets whatever they look like.
KEYS = (
    "password",
    "http.request.header.authorization",
    "http.request.header.cookie",
    "client_secret",
    "access.token",
    "db.dsn",
)
