"""Further texts of operations, chosen without looking at the table. They are read as those of `corpus`."""

WITH_SECRETS = r"""
用户 ⟦18888888888⟧ 绑定微信失败，原因：openid 已被占用
[SMS] send to ⟦13088840046⟧ template=SMS_154950909 result=isv.BUSINESS_LIMIT_CONTROL
找回密码短信已下发至⟦17012349876⟧，有效期10分钟
注册失败：该手机号(⟦15011112222⟧)已存在
{"mobile":"⟦19912345678⟧","scene":"login"}
loginByMobile(mobile=⟦13511112222⟧, ip=10.2.3.4)
UserDTO(id=7, phone=⟦18611112222⟧, nick=小明)
Invalid phone: ⟦+86 155-2222-3333⟧
收货人：王小二，⟦159 8888 7777⟧，北京市海淀区
tel:⟦13612345678⟧转801
call from 0086⟦13988887777⟧ rejected
uid⟦13588889999⟧登录成功
账号⟦13300001111⟧被锁定30分钟
实名认证提交 {"name":"赵六","idNo":"⟦420222199001058418⟧"}
身份证号⟦513436199010256982⟧与姓名不一致
idCard=⟦32010619880808123X⟧ 校验通过
公民身份号码：⟦440301199912310011⟧
证件号⟦350203198507164529⟧重复提交
绑卡失败，卡号⟦6228480128149967373⟧，返回码：PAY-05
bankCardNo=⟦6214830100001234567⟧&bankCode=CMB
储蓄卡 ⟦6217 0000 1000 1234 567⟧ 签约成功
card_number: ⟦4000 0566 5566 5556⟧ was declined (insufficient_funds)
PaymentMethod{number=⟦5200828282828210⟧, exp=12/30}
Amex ⟦371449635398431⟧ refused by acquirer
pan:⟦3566002020360505⟧;cvv:⟦123⟧
unionpay ⟦6200000000000005⟧ ok
Visa尾款支付⟦4242424242424242⟧失败
登录失败 username=admin password=⟦Admin@2023!⟧
用户[admin]尝试登录，密码[⟦Aa123456⟧]错误
账号zhangsan 密码⟦zs@2022⟧ 验证失败
旧密码：⟦Passw0rd⟧ 新密码：⟦N3wPass!⟧
密码为"⟦open sesame⟧"的用户登录失败
初始密码：⟦wxiai#2024⟧
密 码：⟦Aa112233⟧
重置后的密码为 ⟦9f8d7s6a⟧
管理员口令 ⟦r00t!toor⟧ 已泄露
解压密码：⟦www.abc.com⟧
wifi密码是⟦88888888⟧
支付密码:⟦102938⟧ 错误
动态密码：⟦660123⟧
短信验证码：⟦902113⟧，请于5分钟内填写
【WXIAI】您的验证码为⟦771204⟧，打死也不要告诉别人
校验码⟦3391⟧不匹配
验证码 ⟦5821⟧ 已过期
verifyCode=⟦448120⟧ expired
{"smsCode":"⟦991244⟧","phone":"⟦13912341234⟧"}
Use ⟦G-482913⟧ as your verification code
Your OTP is ⟦339821⟧. Do not share it.
2FA code: ⟦123456⟧
密钥=⟦3a8f9c1d2b⟧，加密失败
应用密钥：⟦b7c9d1e3f5a7⟧
Secret Key：⟦aGVsbG8td29ybGQ⟧
secretKey="⟦k8s/prod+XYZ==⟧"
令牌 ⟦f81d4fae7dec11d0a76500a0c91e6bf6⟧ 无效
访问令牌：⟦v^1.1#i^1#abc⟧
无效的令牌：⟦sk-AbCdEfGhIjKlMnOpQrStUvWxYz012345⟧
渠道 #12 的 key ⟦sk-7d8f9a0b1c2d3e4f5a6b7c8d9e0f1a2b⟧ 余额不足，已自动禁用
Incorrect API key provided: ⟦sk-RoCvABCDabcd1234EFGHefgh5678ABM⟧. You can find your API key at https://platform.openai.com
{'error': {'message': 'Incorrect API key provided: ⟦1b732869aabbccddeeff00112233bff7⟧.'}}
openai.AuthenticationError: api_key=⟦sk-ant-api03-aBcD_eFgH-1234567890abcdefg⟧
client = OpenAI(api_key="⟦sk-proj-1234567890abcdefGHIJKLMN⟧")
x-api-key: ⟦AIzaSyB-abcdefghijklmnopqrstuvwxyz12345⟧
GET https://generativelanguage.googleapis.com/v1/models?key=⟦AIzaSyCabcdefghijklmnopqrstuvwxyz678901⟧ 403
stripe.error.AuthenticationError: Invalid API Key provided: ⟦sk_live_51Mabcdefghijklmnop⟧
whsec 校验失败 ⟦whsec_abcdefghijklmnopqrstuvwxyz123456⟧
accessKeyId=⟦LTAI5tKvWxYzAbCdEfGhIjKl⟧ 签名不匹配
OSS AccessKeySecret：⟦yourSecretAbC123xyz456DEF789ghi012⟧
SecretId: ⟦AKIDEXAMPLEz8krbsJ5yKBZQpn74WFkmLP⟧
corpsecret=⟦aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW⟧
企业微信机器人 https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=⟦693axxx6-7aoc-4bc4-97a0-0ec2sifa5aaa⟧ 返回45009
飞书 https://open.feishu.cn/open-apis/bot/v2/hook/⟦xxxxxxxx-aaaa-bbbb-cccc-1234567890ab⟧ sign match fail
钉钉加签密钥 ⟦SEC0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9⟧
dingtalk access_token: ⟦9a8b7c6d5e4f3a2b1c0d⟧
tenant_access_token=⟦t-g1044ghJRUIJJ5ELZZZZ⟧
appId=wx1234567890abcdef, appSecret=⟦d4624c36b6795d1d99dcf0547af5443d⟧
app_secret=⟦d4624c36b6795d1d99dcf0547af5443d⟧&grant_type=client_credential
mchKey: ⟦XRDmKsiAAAABBBBt1NwZxg5sNn⟧
APIv3密钥：⟦abcdefghijklmnopqrstuvwxyz123456⟧
AK=⟦AKLTNjkzYzA1YmE4ZTQ0NGI0⟧
Midjourney account token ⟦MTA5NzUwMjM0NTY3ODkwMTIzNA.GkLmNo.aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789AB⟧ banned
mj-api-secret: ⟦wxiai-mj-8f7e6d⟧
kling: invalid token ⟦eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJhayJ9.c2lnbmF0dXJl⟧
Authorization: Bearer ⟦eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3MDB9.AbCdEf⟧
请求头：{'authorization': 'Bearer ⟦sess-abcdef1234567890⟧', 'user-agent': 'okhttp/4.9'}
authorization: token ⟦9fj3kd02ks⟧
Proxy-Authorization: Basic ⟦YWRtaW46YWRtaW4=⟧
收到 Bearer⟦ a1b2c3d4e5f6g7h8⟧ 过期
Cookie: ⟦token=eyJh; Hm_lvt_abc=1700000000⟧
set-cookie：⟦JSESSIONID=AB12CD34EF; Path=/⟧
JSESSIONID=⟦2F8A9C7B6D5E4F3A⟧ 已失效
PHPSESSID: ⟦q1w2e3r4t5y6⟧
session_key=⟦tiihtNczf5v6AKRyjwEUhQ==⟧ openid=oABC
DATABASE_URL=postgresql+asyncpg://wxiai:⟦S3cr3t#Pass⟧@pg.internal:5432/app
redis://:⟦R3d1s@Pass⟧@10.0.0.5:6379/2 连接超时
amqp://celery:⟦ce/le@ry⟧@rabbit:5672//
mongodb://root:⟦ro:ot⟧@m1,m2/admin
clone https://⟦glpat-ABCDEFabcdef1234567890⟧@gitlab.com/g/p failed
https://u:⟦p#w⟧@registry.example.com/v2/
jdbc:mysql://10.1.1.1:3306/db?user=root&password=⟦Ro0t!⟧&useSSL=false
spring.redis.password=⟦redis_pwd_1⟧
MYSQL_ROOT_PASSWORD: ⟦example!⟧
PGPASSWORD='⟦pg pass⟧' psql -h db
password: "⟦hunter2, hunter3⟧"
{"user":"a","password":"⟦p@ss\"w0rd⟧","remember":true}
{"passwd": "⟦12, 34⟧"}
--password=⟦Abc!23⟧ --host=db
login body: {'username': 'bob', 'password': '⟦it is me⟧'}
LoginForm(username='bob', password='⟦Bob!1⟧')
username: root password: ⟦toor⟧
username=root&password=⟦toor%21⟧
user/pass: bob/⟦hunter2⟧
"newPassword" : "⟦Qq,123456⟧"
passphrase for key: ⟦battery-staple⟧
-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA⟦75abcdef⟧\n-----END RSA PRIVATE KEY-----
{"private_key": "-----BEGIN PRIVATE KEY-----\n⟦MIIEvQIBADANBg⟧\n-----END PRIVATE KEY-----\n"}
应用私钥：⟦MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSk⟧
-----BEGIN PGP PRIVATE KEY BLOCK-----⟦ lQOYBGabc ⟧-----END PGP PRIVATE KEY BLOCK-----
邮箱 ⟦shunshuntehui@163.com⟧ 退信
发送邮件到⟦285206405@qq.com⟧失败：550 User not found
注册邮箱：⟦duandazhi-jack@gmail.com.cn⟧
user ⟦john.doe+test@mail.example.org⟧ not found
邮件地址⟦李四@测试.中国⟧无效
To: "Bob" <⟦bob_smith@corp.example⟧>
cc=⟦a.b@c-d.cn⟧;⟦e@f.com⟧
联系邮箱（⟦kefu@wxiai.com⟧）
DETAIL:  Key (email)=(⟦bob at example⟧) already exists.
详细信息:  键值"(username)=(⟦张三⟧)" 已经存在
描述:  失败, 行包含(12, ⟦张三, 密文⟧).
CONTEXT:  unnamed portal parameter $1 = '⟦bob⟧'
(pymysql.err.IntegrityError) (1062, "Duplicate entry '⟦zhangsan⟧' for key 'uk_name'")
(psycopg2.errors.InvalidTextRepresentation) invalid input syntax for type integer: "⟦abc secret⟧"
curl -H "X-API-KEY: ⟦abcd-1234⟧" https://api.example.com
curl -u user:⟦pa55⟧ https://example.com
mysqldump -uroot -p⟦S3cret⟧ wxiai
redis-cli -a ⟦foobared⟧ info
docker run -e API_KEY=⟦abc123⟧ image
export AWS_SECRET_ACCESS_KEY=⟦wJalrXUtnFEMIK7MDENGbPxRfiCY⟧
aws_access_key_id=⟦AKIAI44QH8DHBEXAMPLE⟧
ghp token ⟦ghp_1234567890abcdefghijABCDEFGHIJ123456⟧ expired
slack ⟦xoxb-1234567890-abcdefghij⟧ invalid_auth
discord webhook https://discord.com/api/webhooks/1234567890/⟦abcDEF_ghi-JKL⟧ 404
telegram https://api.telegram.org/bot⟦987654321:AAabcdefghijklmnopqrstuvwxyz1234567⟧/sendMessage
npm publish with ⟦npm_abcdefghijklmnopqrstuvwxyz0123456789⟧
hf token=⟦hf_AbCdEfGhIjKlMnOpQrStUvWxYz⟧
Replicate auth failed for ⟦r8_AbCdEfGhIjKlMnOpQrStUvWxYz012345678⟧
银行预留手机⟦13700137000⟧与卡⟦6225880137001234⟧不符
prompt: 帮我写简历，电话⟦13811112222⟧，邮箱⟦xiaoming@foxmail.com⟧
护照⟦E98765432⟧ 审核失败
港澳通行证号：⟦C12345678⟧
社保号：⟦110101199003071234⟧
license_key=⟦ABCD-EFGH-1234⟧
Signature mismatch, secret was '⟦topsecret value⟧'
webhook secret：⟦whs3cret⟧
client_secret：⟦GOCSPX-abcdefghijklmnopqrst⟧
refresh_token＝⟦1//0gabcdefGHIJ⟧
id_token=⟦eyJraWQiOiJhIn0.eyJzdWIiOiIxIn0.⟧
""".strip().splitlines()

WITHOUT_SECRETS = r"""
[INFO] 2026/03/18 - 06:15:24 | 20260317221524507549295izfaVmyu | 用户 1 额度充足, 信任且不需要预扣费
预扣费后补扣费：＄0.073388（实际消耗：＄0.073388，预扣费：＄0.000000）
record consume log: userId=1, params={"channel_id":1,"prompt_tokens":172693,"completion_tokens":777}
token_name: 测试
令牌额度已用尽
该令牌状态不可用
令牌验证失败，请检查令牌状态
令牌 ID：12
令牌名称：测试令牌
令牌数量：3
渠道「OpenAI-1」（#12）已被禁用，原因：余额不足
无可用渠道（distributor）
[GIN] 2026/03/18 - 06:15:27 | api | 200 | 1.153451ms | ::1 | GET /api/status
req_011Cb3RavXrrXz31j9FoSWJv overloaded
{"type":"error","error":{"type":"authentication_error","message":"Invalid authentication credentials"}}
You exceeded your current quota, please check your plan and billing details.
Incorrect API key provided: ****. You can find your API key at https://platform.openai.com/account/api-keys.
No API key provided. You can set your API key in code using the library
'code': 'invalid_api_key'
error_code=invalid_api_key error_param=None
{"type": "invalid_request_error", "param": null, "code": "token_expired"}
API 密钥：未设置
密码：必填
密码：******
密码：空
密码：错误
密码：至少 8 位
密码为空
密码是否为空
密码是必填项
密码是错误的
密码已修改
密码修改成功，请重新登录
密码将于3天后过期
密码过期时间：2024-12-31
密码错误次数：3
密码有效期：90天
密码复杂度：中
密码找回链接已发送
支付密码错误，还可重试2次
password: required
password: invalid
password: expired
password: too short
password: (empty)
password: null
"password": null,
"password": ""
"password": "string"
"password": "********"
password=***
password=
password is required
password is too weak
password policy: min length 12
password length: 8
password expires in 30 days
password last changed 2023-11-02
Password: incorrect
Password must contain at least one digit
passwords: 3 changed
old password does not match
token=None
token: null
token: missing
token: required
token is missing
token has expired at 1700000000
token expires_in=7200
token type: Bearer
token usage: 1234/4096
token limit: 8192
tokens: {"prompt": 12, "completion": 30}
tokens=1024, cost=0.02
token_count：2048
usage: input_tokens=15 output_tokens=230 total_tokens=245
max_tokens is too large: 100000
This model's maximum context length is 8192 tokens
Token rate: 35.2/s
Token 已失效，请重新登录
token无效
token 校验失败：签名错误
refresh token: not found
csrf token missing or incorrect
CSRF token: mismatch
secret: not configured
secret_key: unset
secret=None
secret version: 3
secret name: wxiai-bridge
secrets: 2 mounted
api_key: missing
api key: invalid format
api_key is not set
apikey 不能为空
access key not found
access_key: 未配置
private key: not readable
private key does not match certificate
credentials: include
credentials: invalid
credential type: password
authorization: required
authorization: 401
Authorization: not provided
auth: failed
authentication failed for user bob
cookie: not set
cookies: 3
cookie 已过期
session: expired
session_id: missing
session id invalid
验证码：已发送
验证码：错误
验证码：已过期
验证码为空
验证码有效期为5分钟
验证码发送次数：5
验证码长度为6位
验证码60秒后可重新获取
verification code sent
verification code: expired
Verification code is invalid or expired
captcha: required
captcha score 0.9
code: 40029
error code 400101
errcode: 48001
{"errcode":40001,"errmsg":"invalid credential, access_token is invalid or not latest"}
status code 503
OTP expired
pin: not set
pin to cpu 3
密钥：无
密钥版本：2
密钥已轮换
密钥长度为256位
私钥格式错误
凭证：已过期
凭证号：记-12
凭证已失效
凭据无效
授权码：过期
授权码已使用
签名密钥不匹配
手机号：未绑定
手机号：格式错误
手机号为空
手机号11位
手机：iPhone 15
电话：无
身份证：未认证
身份证号长度必须为18位
卡号：空
银行卡：3张
护照：已过期
证件照：蓝底
订单号 4200002198202401231234567890 支付成功
微信支付订单号：4200001885202306290534118567
transaction_id=4200001888202308012345678901
out_trade_no=20240115183045123456
商户单号 1217752501201407033233368018
支付宝交易号 2024011522001412341000123456
退款单号：50000408942018111907145868882
充值订单 RC202401150000123 已到账 500 积分
积分变动：-12，余额 4888
扣除积分 12，剩余 1388 积分
用户 10086 消耗 4.5 积分
额度：500000，已用：138001
任务 1735689600123 已完成
taskId=1767225600000123456
task_id: 4821937465019283746
job 0b1f2c3d-4e5f-6789-abcd-ef0123456789 queued
mj task 1710000000000000 progress 35%
kling task 825491920194576415 succeed
jimeng task_id=7392616336519610409
文件 9f86d081884c7d65.png 已上传
image_4096x4096_seed4111111111.png
seed 4111111111111111
seed=2871839152 steps=30 cfg_scale=7
耗时 13812345678 ns
duration=15912345678.12 us
elapsed 0.13912345678 s
avg 3.14159265358979
cost $0.00013800138
price=4999.00
价格 ¥13,800.00
GMT+8 20240115T123456Z
时间戳 1705312345678
ts=1705312345.678901
trace_id: 4bf92f3577b34da6a3ce929d0e0e4736
traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
x-amzn-trace-id: Root=1-67891233-abcdef012345678912345678
request-id 2c5ea4c0-4067-11e9-8bad-9b1deb4d3b7d
commit 138001380001380013800138000138001380abcd
sha256=2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824
etag "5f2b1c-1a2b3c"
md5: 5d41402abc4b2a76b9719d911017c592
bytes=13800138000-13900139000/20000000000
content-length: 15000000000
memory 17179869184 bytes
disk free 13958643712 bytes
rows=18446744073709551615
inode 13888888888 deleted
max_int 9223372036854775807
id 6222020000000001
chat id: -1001234567890
msgid 7012345678901234567
snowflake 1212121212121212121
user_id 10001 not found
uid=138001380
qq群：12345678
客服热线 400-123-4567
股票 600519 涨 2.1%
ISBN 9787115428028
快递 SF1380013800012
运单号 YT6222020202020
车牌 京A12345
版本 v4.1.1-20240115
python-3.11.4-slim
nginx/1.25.3
10.10.138.13:6379
2001:db8::1380:1380
00:1A:2B:3C:4D:5E
@router.get("/users")
@alice please review
git@github.com:org/repo.git
npm i @vue/cli@5.0.8
see https://example.com/@handle/status/1
http://127.0.0.1:8000/docs
//cdn.example.com/x.js
user:pass format expected
pass: 12 failed: 0 skipped: 1
all tests pass
bypass: true
compass=north
passing score 60
keyboard: us
key: value
key 'name' not found
primary key (id)
partition key: 2024-01
cache key user:42:profile
Redis key wxiai:session:count
sort_key=created_at
foreign key (user_id) references users(id)
keys: 12
hotkey: ctrl+k
sk-learn
task-queue-worker-2024
disk-0123456789abcdef01234567
ask-me-anything-2024-session
bearer token required
Bearer realm="api", error="invalid_token"
Basic realm="Restricted"
basic plan 12345
Basic version upgraded
detail: task not found
Detail: 12 rows
context: worker-3
statement: SELECT 1
背景：蓝天白云
描述：一个穿红裙子的女孩
prompt: password protected door, secret garden, 8k
prompt="a token of love, basic colors"
negative_prompt: blurry, lowres
你的作品「秘密花园」已生成
如何修改密码？
忘记密码请联系管理员
SELECT id FROM users WHERE password_hash IS NOT NULL
ALTER TABLE tokens ADD COLUMN secret_id int
INSERT INTO tokens (token, user_id) VALUES (?, ?)
WHERE token = $1 AND expired = false
def reset(password: str) -> None
self.token = token
token: str = Field(..., description="令牌")
password: Optional[str] = None
if not api_key: raise ValueError
os.environ["OPENAI_API_KEY"]
KeyError: 'access_token'
getenv("SECRET_KEY") returned None
${DB_PASSWORD}
password: ${DB_PASSWORD}
password={{ .Values.password }}
password=<redacted>
password: [FILTERED]
token=[REDACTED]
secret=xxxxx
{"loc":["body","password"],"msg":"field required","type":"value_error.missing"}
1 validation error for LoginForm password Field required
connection to server at "10.0.0.5", port 5432 failed: FATAL: password authentication failed
redis: NOAUTH Authentication required.
WRONGPASS invalid username-password pair or user is disabled.
ERROR 1045 (28000): Access denied for user 'root'@'localhost' (using password: YES)
Access denied (using password: NO)
ssl: private key password incorrect
PEM routines: no start line
-----BEGIN CERTIFICATE-----
TypeError: login() missing 1 required positional argument: 'password'
SyntaxError: Unexpected token } in JSON at position 12
JSON Parse error: Unexpected token: EOF
unexpected token: 'else'
jwt malformed
jwt expired
Signature has expired
pwd: /srv/app
changed pwd to /tmp
otp app enabled
ssn lookup disabled
phone: required
phone number is invalid
card: declined
card expired 12/26
card_type=credit
passport.js initialized
""".strip().splitlines()
