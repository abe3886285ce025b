"""Phrases that begin what a database reports, for errors of which only the text is left.

Each pattern stands for everything from its match to the end of the message; in front of it are at most names of tables
and columns. The Collector's statements are generated from the same table, so each pattern is also valid for RE2.
"""

# Each with words of which one is in every text that the pattern matches.
PHRASES: tuple[tuple[str, tuple[str, ...]], ...] = (
    # PostgreSQL, in English and in Chinese. (Its details have lines of their own, which are redacted in any text.)
    (r"(?:duplicate|conflicting) key value violates ", ("key value violates",)),
    (r"(?:new row|insert or update on|update or delete on|null value in) [^\n]{0,200}?violates ", (" violates ",)),
    (r"invalid input (?:syntax for|value for|for query argument) ", ("invalid input ",)),
    (r"value \"[^\n]{1,200}?\" is out of range for type ", ("is out of range",)),
    (r"date/time field value out of range: ", ("date/time field",)),
    (r"malformed (?:array|record|range|multirange) literal: ", ("malformed ",)),
    (r"(?:syntax error|unterminated quoted \w{1,12}) at or near ", (" at or near ",)),
    (r"column \"[^\n]{1,200}?\" does not exist", (" does not exist",)),
    (r"\bLINE [0-9]{1,6}: ", ("LINE ",)),
    (r"(?:错误|致命错误|严重错误|严重):  ", (":  ",)),
    (r"违反[^\s\"“]{0,8}约束", ("违反",)),
    (r"(?:无效的类型|对于[^\s\"“]{0,8}类型|无效的)[^\n]{0,40}?(?:输入语法|输入值)", ("输入语法", "输入值")),
    # MySQL and MariaDB: https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html
    (
        r"\((?:10(?:4[0589]|5[04]|6[24])|114[26]|1205|1213|126[45]|1292|1366|1406|145[12]|1690|3140|3819|4025), ['\"]",
        (", '", ', "'),
    ),
    (r"\b[1-5][0-9]{3} \((?:HY000|[0-9]{2}[0-9A-Z]{3})\): ", ("): ",)),
    (r"Duplicate entry ['\"]", ("Duplicate entry ",)),
    (r"(?:Incorrect|Truncated incorrect) [\w ]{1,40}value: ", ("ncorrect ",)),
    (r"You have an error in your SQL syntax|Unknown column '", ("SQL syntax", "Unknown column")),
    (r"重复(?:的)?(?:条目|输入|内容|键值)", ("重复",)),
    # SQLite
    (r"near \"[^\n]{1,200}?\": syntax error|unrecognized token: \"", ("near ", "unrecognized token")),
    (r"no such column: ", ("no such column",)),
    # Oracle, SQL Server, MongoDB
    (r"\b(?:ORA|DPY|DPI)-[0-9]{4,5}: ", ("ORA-", "DPY-", "DPI-")),
    (r"(?:\('[0-9A-Z]{5}', ['\"])?\[[0-9A-Z]{5}\] ?\[", ("] [", "][")),
    (r"The duplicate key value is \(|Conversion failed when converting ", ("duplicate key value", "Conversion failed")),
    (r"E11000 duplicate key error|\bdup key: ?\{|, full error: ?\{", ("dup key: ", "E11000 ", "full error:")),
    # Redis: the command of a pipeline, and of an unknown command
    (r"Command # [0-9]{1,6} \(|, with args beginning with: ", ("Command # ", "args beginning with")),
    # Mappers: Peewee's query, SQLAlchemy's identity key
    (r"matching query does not exist:", ("query does not exist",)),
    (r"with identity key \(", ("identity key (",)),
)
