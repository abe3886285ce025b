"""Phrases that begin what a database reports, for errors of which only the text is left.

Each pattern stands for everything from its match to the end of the message; in front of it are at most names of tables
and columns. The Collector's statements are generated from the same table, so each pattern is also valid for RE2.
"""

# ruff: noqa: RUF001 - databases write full-width punctuation

# Each with words of which one is in every text that the pattern matches.
PHRASES: tuple[tuple[str, tuple[str, ...]], ...] = (
    # PostgreSQL, in English and in Chinese
    (r"(?:duplicate|conflicting) key value violates ", ("key value violates",)),
    (
        (
            r"(?:new row|insert or update on|update or delete on|null value in) [^\n]{0,200}?violates "
            r"(?:check|exclusion|foreign key|not-null|partition|row-level security|unique) "
        ),
        (" violates ",),
    ),
    (r"invalid input (?:syntax for (?:type )?\w|value for (?:enum|type) |for query argument )", ("invalid input ",)),
    (r"value \"[^\n]{1,200}?\" is out of range for type ", ("is out of range",)),
    (r"date/time field value out of range: ", ("date/time field",)),
    (r"malformed (?:array|record|range|multirange) literal: ", ("malformed ",)),
    (r"(?:syntax error|unterminated quoted \w{1,12}) at or near ", (" at or near ",)),
    (r"column \"[^\n]{1,200}?\" does not exist", (" does not exist",)),
    (r"(?:\b|\\n)LINE [0-9]{1,6}: ", ("LINE ",)),
    (r"(?:\b|\\n)Key \([^\n]{1,200}?\)=\(|Failing row contains \(", ("Key (", "Failing row contains (")),
    (r"(?:CONTEXT|STATEMENT|上下文|语句):  ", (":  ",)),
    (r"(?:错误|致命错误|严重错误|严重):  ", (":  ",)),
    (
        r"违反[^\n]{0,80}?(?:唯一|非空|外键|检查|排他|排斥|分区|UNIQUE KEY|PRIMARY KEY|FOREIGN KEY|CHECK)性? ?约束",
        ("违反",),
    ),
    (r"(?:无效的|对于)[^\n]{0,60}?输入(?:语法|值)[^\n]{0,40}?[:：] ?[\"“]", ("输入语法", "输入值")),
    (r"键值对? ?[\"“]?\([^\n]{1,200}?\)=\(|行包含 ?\(", ("键值", "行包含")),
    (r"值 ?[\"“][^\n]{1,200}?[\"”] ?超出|值超出范围[:：] ?[\"“]", ("超出",)),
    (
        r"字段 ?[\"“][^\n]{1,200}?[\"”] ?不存在|语法错误[^\n]{0,8}?[\"“][^\n]{1,200}?[\"”][^\n]{0,4}附近",
        ("字段", "语法错误"),
    ),
    # MySQL and MariaDB: https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html
    # A tuple of the error's number and its message; the text of 1644 is that of the SIGNAL.
    (
        (
            r"\((?:1644, ['\"]|[1-4][0-9]{3}, ['\"](?:Access denied|BIGINT|Can(?:not|'t)|Check constraint|Column"
            r"|Conversion|DECIMAL|DOUBLE|Data|Duplicate|Field|Illegal|Incorrect|Invalid|Operand|Out of range|Table"
            r"|Truncated|Unknown|You have) )"
        ),
        (", '", ', "'),
    ),
    (r"(?:\b|\\n)[1-5][0-9]{3} \((?:HY000|[0-9]{2}[0-9A-Z]{3})\): ", ("): ",)),
    (r"Duplicate entry ['\"]", ("Duplicate entry ",)),
    (r"(?:Incorrect|Truncated incorrect) [\w ]{1,40}value: ", ("ncorrect ",)),
    (r"You have an error in your SQL syntax|Unknown column '", ("SQL syntax", "Unknown column")),
    (r"重复(?:的)?(?:条目|输入|内容) ?['‘“\"]", ("重复",)),
    # SQLite, DuckDB and ClickHouse
    (r"near \"[^\n]{1,200}?\": syntax error|unrecognized token: \"", ("near ", "unrecognized token")),
    (r"no such column: ", ("no such column",)),
    (r"Duplicate key \"[^\n]{1,200}?\" violates |Could not convert string '", ("Duplicate key ", "Could not convert")),
    (r"DB::(?:\w{1,20})?Exception: ", ("DB::",)),
    # Oracle and SQL Server
    (r"(?:\b|\\n)(?:ORA|DPY|DPI)-[0-9]{4,5}: ", ("ORA-", "DPY-", "DPI-")),
    (
        (
            r"(?:\('[0-9A-Z]{5}', ['\"])?(?:\[[0-9A-Z]{5}\] ?)?\[(?:Microsoft|unixODBC|FreeTDS|IBM|MySQL|MariaDB"
            r"|Oracle|PostgreSQL|psqlODBC|Devart|Simba|DataDirect|DM)\] ?\["
        ),
        ("] [", "]["),
    ),
    (
        r"The duplicate key value is \(|Conversion failed when converting |Truncated value: '",
        ("duplicate key value", "Conversion failed", "Truncated value"),
    ),
    (r"重复键值为 ?[(（]|截断值 ?[:：] ?['‘“\"]|将 [\w()]{1,30} 值 ?['‘“\"]", ("重复键值", "截断值", "转换")),
    # MongoDB, Elasticsearch, Neo4j
    (
        r"E11000 duplicate key error|\bdup key: ?\{|, full error: ?\{|['\"](?:keyValue|errInfo)['\"]: ?\{",
        ("dup key: ", "E11000 ", "full error:", "keyValue", "errInfo"),
    ),
    (r"Preview of field's value: ", ("Preview of field",)),
    (r"Node\([0-9]{1,18}\) already exists with ", (") already exists with ",)),
    # Redis: the command of a pipeline, and of an unknown command
    (r"Command # [0-9]{1,6} \(|, with args beginning with: ", ("Command # ", "args beginning with")),
    # Mappers: Peewee's query, SQLAlchemy's identity key
    (r"matching query does not exist:", ("query does not exist",)),
    (r"with identity key \(", ("identity key (",)),
)
