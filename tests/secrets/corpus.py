"""Texts as applications log them, in Chinese and English: with secrets, and without.

In a text with a secret, the part between ⟦ and ⟧ must not be shown.
"""

import re
from itertools import product

from tests.secrets.operations import WITH_SECRETS, WITHOUT_SECRETS

_JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"

# Where a number or a key may stand.
_AROUND = (
    "{}",
    "用户{}登录失败",
    "user {} was refused",
    "user_{}_x",
    "（{}）已绑定",
    "「{}」，请重试",
    "value={};next",
    '{{"value": "{}"}}',
    "['{}', 1]",
    "第3次：{}。",
    "x：{}\ny",
    "a,{},b",
)
_NUMBERS = (
    "13800138000",
    "138-0013-8000",
    "138 0013 8000",
    "+8613912345678",
    "+86 13912345678",
    "86-13912345678",
    "008618612345678",
    "11010519491231002X",
    "110105199003078515",
    "44030619850612123x",
    "4111111111111111",
    "4242-4242-4242-4242",
    "5555 5555 5555 4444",
    "378282246310005",
    "3782 822463 10005",
    "3530111333300000",
    "6011111111111117",
    "6222021234567890123",
    "6225 8812 3456 7890",
    "6217000010001234567",
)
_KEYS = (
    _JWT,
    "sk-proj-abcdEFGH1234567890abcd",
    "sk-ant-api03-AbCdEfGhIjKlMnOpQrStUv-wX_yZ01",
    "sk-or-v1-0123456789abcdef0123456789abcdef",
    "sk-abcdefghijklmnopqrstuvwx",
    "sk_" + "live_4eC39HqLyjWDarjtT1zdp7dc",
    "ghp_" + "abcdefghijklmnopqrstuvwxyz0123456789",
    "github_pat_" + "11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz",
    "glpat-" + "abcDEF123456ghiJKL78",
    "xox" + "b-123456789012-abcdefGHIJKL",
    "AKIAIOSFODNN7EXAMPLE",
    "ASIAIOSFODNN7EXAMPLE",
    "AIzaSyA1234567890abcdefghijklmnopqrstuv",
    "LTAI5tAbCdEfGhIjKlMnOpQr",
    "AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE",
    "hf_abcdefghijklmnopqrstuvwxyzABCDEFGH",
    "r8_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789",
    "npm_abcdefghijklmnopqrstuvwxyz0123456789",
    "SG.abcdefghijklmnopqrstuv.ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789abcdefg",
    "gsk_abcdefghijklmnopqrstuvwxyz0123456789",
    "123456789:AAF1234567890abcdefghijklmnopqrstuv",
    "MTIzNDU2Nzg5MDEyMzQ1Njc4.GabcdE.abcdefghijklmnopqrstuvwxyz01234567890",
    "li.lei+wx@example.com.cn",
    "wang_wu@qq.com",
    "zhang@例子.公司",
)

_NAMES = (
    "password",
    "passwd",
    "PASSWORD",
    "pwd",
    "DB_PASSWORD",
    "userPassword",
    "new_password",
    "passphrase",
    "secret",
    "client_secret",
    "clientSecret",
    "token",
    "accessToken",
    "refresh_token",
    "api_key",
    "apiKey",
    "X-Api-Key",
    "access key",
    "private-key",
    "AWS_SECRET_ACCESS_KEY",
    "credential",
    "authorization",
    "session_id",
    "sessionKey",
)
_CHINESE_NAMES = ("密码", "口令", "令牌", "密钥", "凭证", "私钥", "授权码", "验证码", "登录密码", "数据库密码")
_NAMED = (
    "{0}=⟦hunter2⟧",
    "login {0}: ⟦hunter2⟧ was wrong",
    "登录失败，{0}：⟦hunter2⟧，请重试",
    "{0}＝⟦hunter2⟧。",
    "{0} -> ⟦hunter2⟧",
    "{0}=⟦hun,ter&2⟧ rejected",
    '{0}="⟦correct horse, battery & staple⟧"',
    "{{'{0}': '⟦correct horse⟧', 'a': 1}}",
    '{{"{0}": "⟦a\\"b c⟧", "n": 1}}',
    '{{"{0}":"⟦hun,ter2⟧","n":1}}',
    '"{{\\"{0}\\": \\"⟦hun ter2⟧\\"}}"',
    '{{\\\\\\"{0}\\\\\\":\\\\\\"⟦hun ter2⟧\\\\\\"}}',
    "{0}: '⟦line one\nline two⟧'",
    "{0}=b'⟦hunter 2⟧'",
    "a=1&{0}=⟦hunter2⟧&b=2",
    "{0}=`⟦hunter 2⟧`",
    "{0}：“⟦hunter 2⟧”",
    "{0}: |\n  ⟦hunter2⟧\n",
    "{0} = '⟦it''s hunter2⟧'",
)
_CHINESE_NAMED = (
    "{0}是⟦hunter2⟧",
    "{0}为：⟦hunter2⟧",
    "{0}已重置为⟦hunter2⟧",
    "{0}（新）：⟦hunter2⟧",
    "您的{0}⟦a1b2c3d4⟧",
)

_OTHERS = (
    "Authorization: ⟦Bearer abc.def⟧",
    "Proxy-Authorization: ⟦Basic dXNlcjpwYXNz⟧",
    "authorization：⟦Token abcdef⟧",
    "Cookie: ⟦a=b; sid=c d⟧",
    "Set-Cookie: ⟦sid=abc; Path=/; HttpOnly⟧",
    "COOKIE=⟦sid=abc⟧",
    "{'cookie': '⟦a=b; c=d⟧'}",
    "(b'authorization', b'⟦Basic YTpi⟧')",
    "FormData([('password', '⟦correct horse⟧')])",
    "请求头Bearer ⟦a1b2c3d4e5⟧无效",
    "bearer ⟦AbCdEfGhIjKl⟧",
    "Basic ⟦dXNlcjpwYXNz⟧ rejected",
    "postgresql://wxiai:⟦hunter2⟧@db.internal:5432/wxiai",
    "redis://:⟦hunter2⟧@cache:6379/0",
    "连接https://user:⟦pa/ss@w⟧@host/失败",
    "https://⟦ghp_abc⟧@github.com/a/b",
    "mysql+pymysql://root:⟦p@ss#w⟧@host/db",
    "mysql+pymysql://root:⟦12ab/c⟧@host/db",
    "amqp://guest:⟦gu?est=1⟧@mq:5672/",
    "root:⟦hunter2⟧@tcp(db:3306)/wxiai",
    "proxy user:⟦hunter2⟧@10.0.0.1:8080 refused",
    "host=db user=wxiai password=⟦hunter2⟧ dbname=x",
    "Server=db;User Id=sa;Password=⟦hunt;er2⟧;Encrypt=true",
    "run --password ⟦hunter2⟧ --port 1",
    "run --db-password='⟦a b⟧'",
    "curl -u admin:⟦hunter2⟧ http://x",
    "sshpass -p ⟦hunter2⟧ ssh x",
    "redis-cli -h cache -a ⟦hunter2⟧ ping",
    "mysql -u root -p⟦hunter2⟧ wxiai",
    "export PGPASSWORD=⟦hunter2⟧; psql",
    "<password>⟦hun ter2⟧</password>",
    'name="password"\r\n\r\n⟦hunter2⟧\r\n--x',
    "the password is ⟦hunter2⟧.",
    "密码 ⟦hunter2⟧ 不正确",
    "您的验证码⟦123456⟧，5分钟内有效",
    "【微信】验证码：⟦8848⟧",
    "verification code: ⟦482913⟧",
    "https://open.feishu.cn/open-apis/bot/v2/hook/⟦0b1c2d3e-1111-2222-3333-444455556666⟧",
    "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=⟦0b1c2d3e-1111-2222-3333-444455556666⟧",
    "https://oapi.dingtalk.com/robot/send?access_token=⟦0123456789abcdef⟧",
    "https://hooks.slack.com/services/⟦T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX⟧",
    "GET /cb?code=⟦q1w2e3r4⟧&state=1 HTTP/1.1",
    "email=⟦li.lei%40example.com⟧&x=1",
    "请联系⟦张三@例子.公司⟧处理",
    "护照号：⟦E12345678⟧",
    "passport no: ⟦E12345678⟧",
    "HKID: ⟦A123456(7)⟧",
    "身份证号码：⟦110105491231002⟧",
    "卡号: ⟦4000123456789012⟧",
    "手机号１⟦３８００１３８０００⟧",
    "-----BEGIN RSA PRIVATE KEY-----\n⟦MIIEow⟧\n-----END RSA PRIVATE KEY-----",
    "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,A1\n\n⟦MIIEow⟧\n-----END RSA PRIVATE KEY-----",
    "-----BEGIN OPENSSH PRIVATE KEY-----\n⟦b3BlbnNzaC1rZXk⟧",
    "-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: x\n\n⟦lQOYBF⟧\n-----END PGP PRIVATE KEY BLOCK-----",
    '{"key": "-----BEGIN PRIVATE KEY-----\\n⟦MIIEvQ⟧\\n-----END PRIVATE KEY-----\\n"}',
    "duplicate key\nDETAIL:  Key (name)=(⟦li lei⟧) already exists.",
    '重复键违反唯一约束\n描述:  键值"(手机)=(⟦x1⟧)" 已经存在',
    "重複\n詳細:  キー (name)=(⟦x1⟧) はすでに存在します",
    "COPY failed\nCONTEXT:  COPY users, line 1, column name: ⟦li lei⟧",
    "Failing row contains (⟦1, li lei⟧).",
    "(1062, \"Duplicate entry '⟦li lei⟧' for key 'users.name'\")",
    "x\n[SQL: INSERT INTO t VALUES ('⟦li lei⟧')]\n[parameters: {'a': '⟦x1⟧'}]\n(Background on this error at: y)",
)
# Formats of other systems.
_FOREIGN = r"""
用户注册成功，手机:⟦15900001111⟧，邮箱:⟦test.user@163.com⟧
手机号⟦18049531999⟧发送短信失败
短信已发送至⟦17012345678⟧
tel=⟦13723231234⟧&city=bj
Phone number ⟦+86-150-1234-5678⟧ invalid
(+86)⟦15012345678⟧
联系人：李雷 ⟦186 1234 5678⟧
mobile:"⟦13891119693⟧"
身份证：⟦51343620000320711X⟧
idcard=⟦411021199901102321⟧
ID number ⟦330102199901011234⟧ mismatched
实名认证失败:张三⟦411224198012257571⟧
支付卡⟦6217000130008255666⟧已过期
bankcard ⟦6228888888888888888⟧
card ending, full ⟦5105105105105100⟧
visa⟦4012888888881881⟧declined
卡号 ⟦6228 4800 1234 5678 910⟧
password_super_secure = "⟦value with quotes and spaces⟧"
my_password := "⟦m{{h}o)p${e]nob(ody[finds>-_$#thisone}}⟧"
apikey := ⟦m{{h}o)p${e]nobodyfindsthisone⟧
theapikeyforfoo = "⟦hopenobodyfindsthisone⟧"
private_key "⟦hopenobodyfinds⟧"
$password = '⟦hopenobody⟧';
define('DB_PASSWORD', '⟦hopenobody1⟧');
spring.datasource.password=⟦Root@123⟧
jdbc:mysql://db:3306/x?user=root&password=⟦Abc@123⟧
jdbc:oracle:thin:scott/⟦tiger⟧@//db:1521/orcl
mongodb+srv://admin:⟦P%40ss:w0rd⟧@cluster0.mongodb.net/test
AMQP_URL=amqps://user:⟦x!y#z⟧@mq.example.com/vhost
DATABASE_URL=postgres://app:⟦s3cr3t!⟧@10.1.2.3/app?sslmode=disable
git clone https://oauth2:⟦glpat-abcdEFGHijkl1234mnop⟧@gitlab.com/a/b.git
smtp login failed: user=mailer@corp.com pass=⟦m@il3r!⟧
"Password": "⟦P@ssw0rd!⟧"
"pwd":"⟦123456⟧"
{"loginName":"admin","loginPwd":"⟦admin@2024⟧"}
{"userName":"a","passWord":"⟦Qwe,123⟧","captcha":"⟦ab12⟧"}
{"access_token":"⟦ya29.a0AfH6SMBabcdefghijklmnop⟧","expires_in":7200}
{"errcode":0,"access_token":"⟦37_AbCdEf-GhIjKl_MnOp⟧","expires_in":7200}
wx appsecret=⟦0123456789abcdef0123456789abcdef⟧
AppSecret：⟦9f8e7d6c5b4a39281706f5e4d3c2b1a0⟧
微信支付密钥：⟦8934e7d15453e97507ef794cf7b0519d⟧
alipay private key: ⟦MIIEvQIBADANBgkqhkiG9w0BAQEFAASC⟧
OPENAI_API_KEY=⟦sk-svcacct-aBcDeFgHiJkLmNoPqRsTuVwX⟧
Incorrect API key provided: ⟦sk-abcd1234efgh5678ijkl⟧. You can find your API key at
deepseek key ⟦sk-0123456789abcdef0123456789abcdef⟧ 余额不足
MIDJOURNEY_TOKEN=⟦MTEzNzU5Njg3OTk5ODc2NTQzMg.GqWeRt.abcDEFghiJKLmnoPQRstuVWXyz0123456789⟧
kling access_key=⟦a1b2c3d4e5f6⟧ secret_key=⟦f6e5d4c3b2a1⟧
AccessKeyId: LTAI5t, AccessKeySecret: ⟦Kx8LmNoPqRsTuVwXyZ012345678901⟧
aws_secret_access_key = ⟦wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY⟧
X-Auth-Token: ⟦gAAAAABexample⟧
x-goog-api-key: ⟦AIzaSyDaGmWKa4JsXZ-HjGw7ISLn_3namBGewQe⟧
api-key: ⟦0123456789abcdef⟧
Ocp-Apim-Subscription-Key: ⟦0123456789abcdef0123456789abcdef⟧
headers={'Authorization': 'Bearer ⟦abc⟧', 'Accept': '*/*'}
headers: Headers({'host': 'x', 'authorization': '⟦Bearer zzz⟧'})
-H "Authorization: Bearer ⟦t0ken.value⟧" https://api.x.com
Authorization=⟦Bearer%20abc⟧
"Authorization":"⟦Bearer abc⟧"
WWW cookie: ⟦session=.eJwlzjE; csrftoken=abc⟧
Set-Cookie: ⟦token=abc.def; Max-Age=86400⟧
cookies={'sessionid': '⟦abc123⟧'}
JSESSIONID=⟦A1B2C3D4E5F6⟧; Path=/
session_id: ⟦9f8e7d6c⟧
sessionid=⟦38afes7a8⟧
用户口令：⟦Zhang#3⟧
登录口令为“⟦Zhang San⟧”
初始密码是⟦Init@2024⟧，请尽快修改
密码由⟦old123⟧改为⟦new456⟧
新密码：⟦qwe123!@#⟧ 旧密码：⟦asd456⟧
密码「⟦p@ss⟧」错误
密码(⟦p@ss1⟧)不匹配
密码=【⟦p@ss 1⟧】
密码⟦Abc12345⟧错误
数据库密码为:⟦root123⟧
password is ⟦Tr0ub4dor&3⟧
Your password: ⟦Tr0ub4dor&3⟧
password>⟦abc123⟧
Password for admin: ⟦hunter2⟧
admin password ⟦hunter22⟧ rejected
passwd[⟦hunter2⟧]
token(⟦a1b2c3d4⟧)
动态口令：⟦778899⟧
验证码是⟦6688⟧，请勿泄露
验证码为：⟦AB3D⟧
【阿里云】您正在登录，验证码⟦482913⟧。
Your verification code is ⟦482913⟧
Your code is ⟦482913⟧, OTP=⟦482913⟧
refreshToken=⟦rt_1234abcd⟧
id_token: ⟦eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJhdWQiOiIx.c2ln⟧
jwt⟦eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJhdWQiOiIx.c2ln⟧expired
Bearer⟦eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJhdWQiOiIx.c2ln⟧
ssh private key: -----BEGIN EC PRIVATE KEY-----\nMHcCAQEEI⟦abcd⟧\n-----END EC PRIVATE KEY-----
-----BEGIN ENCRYPTED PRIVATE KEY----- ⟦MIIFHDBOBgkqhkiG9w0⟧ -----END ENCRYPTED PRIVATE KEY-----
https://api.telegram.org/bot⟦110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw⟧/getMe
SENDGRID_API_KEY='⟦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⟧'
stripe ⟦rk_live_51HabcdefGHIJKL⟧ revoked
mailto:⟦li.lei@corp.example.com⟧?subject=x
发件人 <⟦zhang.san@corp.com.cn⟧>
邮箱⟦12345678@qq.com⟧已被注册
用户⟦lilei＠example.com⟧不存在
E-mail：⟦hr@公司.中国⟧
ftp://anonymous:⟦me@home⟧@ftp.example.com/pub
http://⟦user⟧@host/x
net use \\srv\share /user:bob "password:⟦x y z⟧"
kubectl create secret generic x --from-literal=password=⟦S!B\*d$zDsb⟧
docker login -u bob -p ⟦dckr_pat_abcdEFGHijklMNOPqrst⟧
REDIS_URL=redis://default:⟦AbCd⟧@redis-12345.c1.us-east-1.ec2.cloud.redislabs.com:12345
DefaultEndpointsProtocol=https;AccountName=x;AccountKey=⟦abc/def+ghi==⟧;EndpointSuffix=core.windows.net
Endpoint=sb://x/;SharedAccessKeyName=Root;SharedAccessKey=⟦abc=⟧
(psycopg2.errors.UniqueViolation) duplicate key value violates unique constraint "users_email_key" DETAIL:  Key (email)=(⟦li@x.cn⟧) already exists.
错误: 重复键违反唯一约束"users_phone_key" 描述: 键值"(phone)=(⟦13800138000⟧)" 已经存在
pymysql.err.IntegrityError: (1062, "Duplicate entry '⟦13800138000-x⟧' for key 'phone'")
(1366, "Incorrect string value: '⟦\xE6\x9D\x8E⟧' for column 'name' at row 1")
null value in column "x" DETAIL:  Failing row contains (1, ⟦li lei⟧, null).
[parameters: {'email_1': '⟦li lei⟧', 'limit_1': 1}]
联系电话：⟦138-1234-5678⟧，备用⟦139 8765 4321⟧
手机号=⟦８６１３８００１３８０００⟧
电话13800138000.⟦13900139000⟧
tel:+86⟦13800138000⟧;ext=1
⟦13800138000⟧@用户
订单A⟦13800138000⟧B
注册手机⟦13800138000⟧验证码⟦123456⟧密码⟦abc123⟧
身份证⟦11010519900307888X⟧，卡⟦6222 0212 3456 7890 123⟧
卡号6222-0212-3456-7890
⟦4532-0151-1283-0366⟧expired
JCB ⟦3566002020360505⟧
Maestro卡号：⟦5018 0000 0009⟧
密码＝⟦abc！123⟧
口令:⟦p,w,d⟧
令牌=> ⟦tok123⟧
密钥→⟦k-123⟧
{"密码":"⟦my pass⟧"}
{'口令': '⟦my pass⟧'}
密码:"⟦a\"b,c⟧"
password=⟦"unclosed secret value⟧
Password:⟦hunter2⟧;User=x
pwd：⟦hunter2⟧
userPwd=⟦x1⟧
PASSWORD is ⟦hunter2⟧
passphrase='⟦tr0ub 4dor⟧'
{"password":["⟦a b⟧","⟦c d⟧"]}
{"secret":{"value":"⟦abc def⟧"}}
--token=⟦abc⟧ --secret "⟦a b⟧"
--api-key ⟦abc123⟧
export SECRET_KEY="⟦django-insecure-#x&y⟧"
SECRET_KEY_BASE=⟦abc⟧
apiKey -> ⟦abc⟧
API KEY：⟦abc⟧
access-token:⟦abc⟧
token ⟦abc123def456⟧
Authorization: Token token="⟦abc⟧"
Authorization: Digest username="x", response="⟦abc⟧"
authorization=⟦AWS4-HMAC-SHA256 Credential=AKIA/2024, Signature=abc⟧
X-Amz-Security-Token: ⟦IQoJb3JpZ2luX2Vj⟧
Cookie:⟦a=b⟧
[('cookie', '⟦a=b; c=d⟧')]
cookie="⟦a=b; c=d⟧"
set-cookie: ⟦a=b; c=d⟧
https://⟦token123⟧:x-oauth-basic@github.com/a
https://x-access-token:⟦ghs_abc⟧@github.com/a
http://admin:⟦p/w@x:y⟧@10.0.0.1:8080/@me
sftp://u:⟦p;w,d⟧@h
redis://⟦pw⟧@h:6379
"-----BEGIN EC PRIVATE KEY-----\\n⟦MHcCAQEE⟧\\n-----END EC PRIVATE KEY-----"
b'-----BEGIN PRIVATE KEY-----\n⟦MIIE⟧'
私钥：-----BEGIN RSA PRIVATE KEY----- ⟦MIIEpAIB⟧ -----END RSA PRIVATE KEY-----
描述:  键值"(邮箱)=(⟦x y⟧)" 已经存在。
DETAIL: Key (phone)=(⟦x y⟧) is not present
CONTEXT:  SQL statement "INSERT INTO t VALUES ('⟦x y⟧')"
上下文:  在字段 name: "⟦x y⟧"
错误: 值太长 [SQL: INSERT INTO t VALUES ('⟦x y⟧')]
ERROR 1062 (23000): Duplicate entry '⟦x-y⟧' for key
[parameters: [{'name': '⟦x y⟧'}, {'name': '⟦z⟧'}]]
邮箱：⟦张三@公司.中国⟧
mail ⟦a_b-c@sub.example.co.uk⟧, ⟦d.e@f.io⟧;⟦g@h.cn⟧
⟦li@例子.中国⟧登录
<⟦li@x.com⟧>
Bearer ⟦AbCdEfGhIjKlMnOp⟧
Bearer ⟦abcdefghijklmnopqrstuvwxyz⟧
bearer:⟦abc123⟧
proxy-authorization: ⟦basic abc⟧
令牌⟦eyJhbGciOiJIUzI1NiJ9.e30.abc⟧过期
github_token_⟦ghp_16C7e42F292c6912E7710c838347Ae178B4a⟧
password%3D⟦hunter2⟧
password=%22⟦hunter2⟧%22
&quot;password&quot;:&quot;⟦hunter2⟧&quot;
password⟦\u003dhunter2⟧
"""


def _read(text: str) -> tuple[str, tuple[str, ...]]:
    return re.sub("[⟦⟧]", "", text), tuple(re.findall("⟦(.*?)⟧", text, re.DOTALL))


def _named(names: tuple[str, ...], forms: tuple[str, ...]) -> list[str]:
    return [form.format(name) for name, form in product(names, forms)]


SECRETS = dict(
    map(
        _read,
        (
            *(form.format(f"⟦{number}⟧") for number, form in product(_NUMBERS, _AROUND)),
            *(form.format(f"⟦{key}⟧") for key, form in product(_KEYS, _AROUND)),
            *_named(_NAMES, _NAMED),
            *_named(_CHINESE_NAMES, (*_NAMED, *_CHINESE_NAMED)),
            *_OTHERS,
            *_FOREIGN.strip().splitlines(),
            *WITH_SECRETS,
        ),
    )
)

HARMLESS = (
    *"""\
订单20240115123456789已支付
订单号：2024011512345678901
order 202401151234567890 shipped
order MJ-20240115-0001 queued
order no. 9012345678901234 not found
退款单R2024011500001处理中
耗时12.5秒
took 0.4111111111111111 s
took 1.13800138000 seconds
finished in 13800 ms
at 1700000000
at 1700000000000
at 1700000000000000
at 1705312345678901234
2024-01-15 12:34:56.789
2024-01-15T12:34:56.789012+08:00
20240115123456
trace_id=0af7651916cd43dd8448eb211c80319c span_id=b7ad6b7169203331
traceparent 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
commit 4f2a9c1b7d3e8f6a5b0c9d8e7f6a5b4c3d2e1f0a
sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
md5 d41d8cd98f00b204e9800998ecf8427e
uuid 550e8400-e29b-41d4-a716-446655440000
uuid 12345678-1234-4123-8123-123456789012
价格￥1,399.00
price $12.99 -> $9.99
余额：358积分，消耗12积分
折扣20%，节省￥200
client 10.0.0.1:51234
server 2001:db8::1 on port 8080
listening on 0.0.0.0:8000
python 3.11.7, fastapi 0.115.0
pip install react@18.2.0
image python:3.11-slim@sha256
sk-learn-pipeline-trainer
task-token-bucket-limiter-service
token bucket is full
tokens=512
max_tokens: 4096
prompt_tokens=12 completion_tokens=345
token count: 100
total_tokens: 100, cached_tokens: 50
Token: 12
每个token的价格为0.01元
剩余token数：1024
password reset failed
password reset mail was sent
password: field required
password must have 8 characters
passwords do not match
密码错误
密码不正确，请重试
请输入密码
密码长度至少8位
密码：不能为空
密码为8-16位字符
密码强度：弱
忘记密码？
修改密码成功
验证码错误
验证码5分钟内有效
验证码已发送
验证码是否正确
令牌已过期
令牌无效
密钥不存在
口令错误次数过多
手机号格式不正确
手机号已注册
身份证未实名
身份证号码格式错误
卡号错误
银行卡尾号1234
secret santa is on
secret: missing
client secret not configured
basic authentication failed
bearer token missing
invalid bearer token
Basic plan, 12 credits
invalid token
token: invalid
token: expired
Unexpected token '<', "<!DOCTYPE "... is not valid JSON
unexpected token 'else' at line 3
API key: not set
api key missing
api_key: None
key error: 'name'
KeyError: 'user'
primary key=5
cache key: user:42
cache key=tasks:flux:12
foreign key fk_users_2024 violated
pk_user_accounts_2024_idx
session closed
session: 12 requests
cookie consent
Cookie banner shown
authorization failed
authorization: missing
Authorization header is required
13 个任务在队列中
尺寸1920x1080
size 1024x1024, 4 images
seed=1382938475
seed: 4294967295
--ar 16:9 --v 6.1 --seed 4294967295
/imagine prompt: a cat --stylize 100
file /var/lib/app/images/20240115/7f3a9c0b.png
C:\\Users\\x\\file.txt
s3://bucket/images/20240115/x.png
GET /api/v1/tasks/4711 200 12 ms
POST /api/v1/tasks/submit 502
https://example.com/a/b#c
http://localhost:8080/@vite/client
https://medium.com/@user/post
@app.get("/items/{id}")
@pytest.mark.asyncio
@张三 请处理
a @ b
matmul: x @ w.T
user li_lei of team 12
user 12 不存在
用户12的绘图任务已完成
任务4711失败：超时
任务 task-7f3a9c0b1d2e4f60 重试第3次
task-0123456789abcdef0123 done
error 10061: connection refused
ConnectionError: [Errno 111] Connection refused
TimeoutError
asyncpg.exceptions.UniqueViolationError
provider_timeout: upstream closed the connection
SELECT a FROM b WHERE c = ? AND d = $1
SELECT token FROM sessions WHERE token = ?
UPDATE users SET password = %s WHERE id = %s
def login(password: str, token: str = None)
login(user, password=None)
{"event": "task.finished", "service": "flux", "seconds": 12.5}
{"detail": "Not Found"}
{"code": 0, "message": "success", "data": {"id": 123456789012}}
{"loc": ["body", "password"], "msg": "Field required"}
detail: see the log
context: request 12 of worker 3
描述：一只猫在雪地里奔跑
背景：夜晚的城市
是吗？可以的
why? because = is missing
really? a = b
retry 3 of 5 in 2 s
rate limit: 60 requests per minute
x-ratelimit-remaining: 12
queue length 3, 2 of 4 workers busy
cpu 12.5 %, memory 358 MiB
pid 13800, thread 140234567890123
version 1.2.3-beta.4+build.20240115
Content-Type: application/json
Content-Length: 12345678901
Last-Modified: Mon, 15 Jan 2024 12:34:56 GMT
ETag: "33a64df551425fcc55e4d42a148795d9f25f89d4"
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36
坐标 116.397428, 39.90923
lat=39.9087202 lng=116.3974799
isbn 978-7-111-12345-6
ticket #138001
编号：A-20240115-01
第 13800 次调用
批次20240115-123456-0001
model flux-1.1-pro-ultra, steps 28
model gpt-4o-2024-08-06
midjourney job 3f1c9f7e-7d2a-4d5a-9b55-0d6b2a6f3c11 done
kling-v1-6 std 5s
lora:detail_tweaker:0.8
sk-2024
risk-assessment-2024-report
disk-usage-monitor-service-2
npm_config_registry=https
hf-mirror is slow
ghost writer
AIza
eyJ
--help
--token-file x
docker run -u 1000:1000 -p 8080:80
ssh: connect to host db port 22
git@
pwd=/home/app
auth: ok
login ok
双十一活动满300减50
0.1 + 0.2 = 0.30000000000000004
3.141592653589793
6.02214076e+23
18446744073709551615
1e-9
progress 4111/5000
id=62020202
room 62123
订单 20240115123456 支付成功，金额 ¥128.00
支付流水号4200001234202401151234567890
商户订单号：WX20240115123456789012
微信支付单号 4200002031202401158273645123
trade_no=2024011522001400001234567890
快递单号SF1234567890123
快递 75123456789012 已签收
物流单号 YT8812345678901
发票号 25312000000012345678
任务ID: 1748203948576102400
snowflake 1748203948576102401 created
user_id=1748203948576102401
message_id 1234567890123456789
耗时1234567890纳秒
elapsed=0.45678912345678912 s
latency p99 0.3712345678901234
ratio 0.6212345678901234
took 5123456789012345 ns
monotonic 4123456.789012345
uptime 13812345.67 s
offset=13800138 size=20240115
sha1 da39a3ee5e6b4b0d3255bfef95601890afd80709
digest=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
commit 13800138a
container 4f66ad9a0b2e
request id req_011CSHoEeqs5C35K2UUqR7Fy
chatcmpl-123abcDEF456 finished
task_id=task_01HM8Y6Z7N
job kling-20240115-abcdef0123456789 done
file 4f2a9c1b7d3e8f6a5b0c9d8e7f6a5b4c.png uploaded
路径 /data/2024/01/15/4111111111.png
10.0.0.138:13800
2024-01-15 13:80:01
13:58:00.138001
MAC 00:1A:2B:3C:4D:5E
ipv6 fe80::1ff:fe23:4567:890a
v1.38.0013-8000
余额不足，当前 358 积分，需要 500 积分
充值￥100，赠送20积分
单价0.0138元/张
图片1024*1024，seed 3812345678
seed:1234567890 steps:30 cfg:7.5
prompt: a secret garden, token of love
secret garden 主题
描述: 一只猫
password_reset_requested
user changed password
password hash upgraded
密码重置邮件已发送
密码重置成功
密码输入错误3次，账号已锁定
两次输入的密码不一致
密码必须包含大写字母
密码不能少于8位
验证码已过期
验证码获取次数超限
验证码发送失败：频率限制
令牌桶已满
token 数量超出限制：4096
token used: 1234
tokens per second: 35
input_tokens=1200, output_tokens=345
token_limit=4096 token_count=1200
context token limit exceeded (8192)
invalid_token
token expired at 2024-01-15
secret not found
SecretStr('**********')
api_key=None, base_url=https://api.openai.com/v1
Missing API key
invalid api key format
unauthorized: bearer realm="api"
Authorization header missing
credential helper not found
session expired after 30 minutes
session 12 closed
cookie expired
cookies disabled in browser
keyword argument missing: 'name'
keyboard interrupt
key=value pairs expected
primary_key=True
sort key: created_at
cache_key=tasks:12
foreign key constraint fails (`shop`.`orders`)
hotkey ctrl+c
monkey patched 3 modules
access denied for user 'app'@'10.0.0.1'
basic block 12 reached
Basic 套餐 ¥99
ssh deploy@web-1
decorator @router.post("/login")
email required
邮箱格式错误
手机号不能为空
手机号码格式错误：长度应为11位
身份证校验失败
银行卡支付失败，请换卡重试
卡号长度不正确
card type: visa
证件类型：护照
电话未接通
webhook timeout after 5 s
hook /webhook/alipay returned 500
POST /hooks/feishu 200
GET /users/12/tokens 200
http://example.com:8080/a@b
https://www.npmjs.com/package/@vue/cli
SELECT password FROM users WHERE id = 5
ALTER TABLE users ADD COLUMN password_hash text
WHERE secret IS NULL
raise ValueError("token required")
assert token is None
if password != confirm:
password = getpass()
def f(token, *, secret=None): ...
"token_type": "bearer"
"grant_type": "password"
"type": "password"
mail sent in 12 ms
a=1;b=2;c=3
x-request-id: 4f2a9c1b7d3e
""".splitlines(),
    *WITHOUT_SECRETS,
)
