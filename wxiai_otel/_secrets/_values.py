"""Values that databases put into their errors.

The reduction of database errors runs before. In the Collector it leaves the attributes of spans that have not failed.
"""

from ._rule import Rule

VALUES = (
    Rule(
        "statement and parameters of SQLAlchemy",
        r"(\[(?:SQL|parameters): )[\s\S]*?(?=\n\(Background on this error|\Z)",
        ("[sql: ", "[parameters: "),
        masked=(
            (
                "x\n[SQL: SELECT 'a']\n[parameters: ('b',\n1)]\n(Background on this error at: y)",
                "x ****",
            ),
            ("[parameters: ('b', 1)]", " ****"),
        ),
        kept=("[SQL] done", "parameters: a"),
        re2=r"(\[(?:SQL|parameters): )[\s\S]*",
    ),
    Rule(
        "values of PostgreSQL",
        (
            r"((?:DETAIL|CONTEXT|STATEMENT|DÉTAIL|DETALLE|DETALHE|DETTAGLI|ПОДРОБНОСТИ) {0,2}:[ \t]{0,2}"
            # In Chinese, people write of descriptions and backgrounds too: with one blank.
            r"|(?:描述|详细信息|詳細|詳細內容|背景|上下文|语句|상세정보):(?:[ \t]{2}|[ \t]?[键失参值キ키])"
            r"|\)=\(|[Ff]ailing row contains |失败, ?行包含|失败，行包含)[^\r\n]+"
        ),
        (
            "context:",
            "statement:",
            "tail",
            "detal",
            "dettagli",
            "ПОДРОБНОСТИ",
            "描述:",
            "详细信息:",
            "詳細",
            "背景:",
            "上下文:",
            "语句:",
            "상세정보",
            ")=(",
            "failing row",
            "行包含",
        ),
        masked=(
            ("x\nDETAIL:  Returned type unknown s3cret.\nmore", "x\nDETAIL:  ****\nmore"),
            ('重复键\n描述:  键值"(手机)=(x)"已经存在', "重复键\n描述:  ****"),
            ("Reading (name)=(s3cret) failed", "Reading (name)=(****"),
        ),
        kept=('{"detail": "Not Found"}', "描述：一只猫", "Detail: see the log", "context: request 12"),
    ),
    Rule(
        "values of MySQL",
        r"((?:Duplicate entry|[Ii]ncorrect [A-Za-z]{1,20} value:?|syntax to use near) )'[^\r\n]*",
        ("duplicate entry", "incorrect ", "near "),
        masked=(("Duplicate entry 'li@x' for key 'users.name'", "****"),),
        kept=("Duplicate entry", "incorrect value"),
    ),
)
