"""Numbers of people: mobile numbers, bank cards, identity cards."""

from ._rule import (
    NO_DIGIT_AFTER,
    NO_DIGIT_BEFORE,
    NO_WIDE_DIGIT_AFTER,
    NO_WIDE_DIGIT_BEFORE,
    NUMBER,
    Rule,
    wide,
)

_MOBILE = r"(?:(?:\+|00)?86[ -]?)?1[3-9][0-9](?:[0-9]{8}|-[0-9]{4}-[0-9]{4}| [0-9]{4} [0-9]{4})"
# Regions, then the date of birth.
_IDENTITY = (
    r"(?:1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3])[0-9]{4}[ -]?"
    r"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[ -]?[0-9]{3}[0-9XxＸｘ]"
)
_CARD = (
    # UnionPay
    r"(?:62[0-9]{14,17}|62[0-9]{2}(?:[ -][0-9]{4}){3}(?:[ -][0-9]{1,3})?|62[0-9]{4} [0-9]{13}"
    # Visa, Mastercard, JCB, Discover
    r"|(?:4[0-9]{3}|5[1-5][0-9]{2}|2(?:22[1-9]|2[3-9][0-9]|[3-6][0-9]{2}|7[01][0-9]|720)|35(?:2[89]|[3-8][0-9])"
    r"|6011|65[0-9]{2}|64[4-9][0-9])(?:[0-9]{12}|(?:[ -][0-9]{4}){3})"
    # American Express, Diners
    r"|3[47][0-9]{2}(?:[0-9]{11}|[ -][0-9]{6}[ -][0-9]{5})|3(?:0[0-5]|[68][0-9])[0-9]{11})"
)

# Few numbers in full width are no cards.
_ANY_CARD = r"[3-6][0-9]{14,18}"


def _is_valid(text: str) -> bool:
    """Return whether the check digit of a card is right. Numbers in groups, and cards of UnionPay, may have none."""
    if not text.isdigit() or text.startswith("62"):
        return True
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(text)))
    return sum(value - 9 * (value > 9) for value in doubled) % 10 == 0  # noqa: PLR2004 - the sum of its digits


NUMBERS = (
    Rule(
        "identity card",
        _IDENTITY,
        (NUMBER,),
        masked=(
            ("身份证11010519491231002X已实名", "身份证****已实名"),
            ("id_110105194912310021 ok", "id_**** ok"),
            ("110105 19491231 002X", "****"),
        ),
        kept=("订单202401151234567890", "trace 110105194913310021", "1101051949123100211"),
        before=NO_DIGIT_BEFORE,
        after=NO_DIGIT_AFTER,
    ),
    Rule(
        "bank card",
        _CARD,
        (NUMBER,),
        masked=(
            ("卡号6222021234567890123，余额不足", "卡号****，余额不足"),
            ("card 4111111111111111 declined", "card **** declined"),
            ("4111-1111-1111-1111 / 4111 1111 1111 1111", "**** / ****"),
            ("378282246310005 or 3782 822463 10005", "**** or ****"),
        ),
        kept=("0.4111111111111111", "1700000000000000000", "订单20240115123456789"),
        before=NO_DIGIT_BEFORE,
        after=NO_DIGIT_AFTER,
        is_valid=_is_valid,
        kept_in_process=("id 4111111111111112",),
    ),
    Rule(
        "mobile number",
        _MOBILE,
        (NUMBER,),
        masked=(
            ("手机号13800138000已注册", "手机号****已注册"),
            ("+8613800138000, 0086 13800138000, 86-138-0013-8000", "****, ****, ****"),
            ("13800138000 13900139000 13700137000", "**** **** ****"),
            ("user_13800138000x13900139000y", "user_****x****y"),
        ),
        kept=("12013800138000", "138001380001", "at 1700000000000 ms"),
        before=NO_DIGIT_BEFORE,
        after=NO_DIGIT_AFTER,
    ),
    *(
        Rule(
            f"{name} in full width",
            wide(pattern),
            tuple("１２３４５６８"),
            masked=((text, "号码****。"),),
            kept=("１２３４５６７８９０１２",),
            before=NO_WIDE_DIGIT_BEFORE,
            after=NO_WIDE_DIGIT_AFTER,
        )
        for name, pattern, text in (
            ("identity card", _IDENTITY, "号码１１０１０５１９４９１２３１００２Ｘ。"),
            ("bank card", _ANY_CARD, "号码６２２２０２１２３４５６７８９０１２３。"),
            ("mobile number", _MOBILE, "号码１３８００１３８０００。"),
        )
    ),
)
