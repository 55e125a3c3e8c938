"""Chinese and what stands in Chinese texts gives the ids of Hugging Face.

The expected ids are stored, so that neither side of the comparison can move unseen. They are those
of `tokenizers.BertWordPieceTokenizer` (0.23.3), which transformers has for `bert-base-chinese`.
"""

import pytest

from tfft.text.wordpiece import WordPiece

# With the published vocabulary: the ids where case and accents are folded, and where they are kept
# (None: the same). 100 is unknown.
PUBLISHED = {
    "plain": ("这个酒店很好。", "6821 702 6983 2421 2523 1962 511", None),
    "traditional": ("這間酒店環境不錯", "6857 7279 6983 2421 4472 1862 679 7097", None),
    "Latin words inside": (
        "我用iPhone和WiFi上网ABC公司",
        "2769 4500 8210 1469 8306 677 5381 8425 1062 1385",
        "2769 4500 100 1469 100 677 5381 100 1062 1385",
    ),
    "Latin words apart": (
        "OK 好 Ok好ok, BERT模型",
        "8270 1962 8270 1962 8270 117 8815 8716 3563 1798",
        "100 1962 100 1962 8270 117 100 3563 1798",
    ),
    "numbers": (
        "房价188元，15.4寸，2008年",
        "2791 817 9460 1039 8024 8115 119 125 2189 8024 8182 2399",
        None,
    ),
    "ASCII punctuation": (
        "价格:100元/天(含早餐),不错~~",
        "817 3419 131 8135 1039 120 1921 113 1419 3193 7623 114 117 679 7231 172 172",
        None,
    ),
    "extension A": ("\u3400\u353e好\u4d75", "100 100 1962 100", None),
    "extension B": ("\U00020000\U00020bb7野家\U0002a6d6", "100 100 7029 2157 100", None),
    "extensions C, D, E, F, G": (
        "\U0002a700\U0002b740\U0002b820\U0002ceb0\U00030000好",
        "100 100 100 1962",
        None,
    ),
    "compatibility ideographs": (
        "\uf90a\uf98e\U0002f800好",
        "7032 2399 714 1962",
        "100 100 100 1962",
    ),
    "radicals": ("\u2f00\u2fa6丽", "100 714", None),
    "full-width forms": (
        "ＡＢＣ１２３！？（好）：；％",
        "8051 12641 10675 8939 8929 9089 8013 8043 8020 1962 8021 8038 8039 8017",
        "100 8013 8043 8020 1962 8021 8038 8039 8017",
    ),
    "half-width kana": ("ｶﾀｶﾅ好ｱ", "100 1962 100", None),
    "ideographic and other blanks": (
        "你好\u3000世界\u00a0再见\u2003。\u2028好",
        "872 1962 686 4518 1086 6224 511 1962",
        None,
    ),
    "kana": (
        "日本のひらがなとカタカナーです",
        "3189 3315 561 11224 8732 13081 8322 9770 11011 9770 12005 8504",
        "3189 3315 100",
    ),
    "voiced kana": ("がぎぐパピプ", "541 8816 8763 12838 10374 9383", "100"),
    "voiced kana, decomposed": ("か\u3099は\u309a", "541 8319", "100"),
    "Hangul": (
        "한국어 각",
        "303 10928 9877 13454 13479 11953 13463 13472 288 10928 11953",
        "100 100",
    ),
    "emoji": ("好吃😀👍\U0001f3fd 😀", "1962 1391 100 100", None),
    "emoji joined by ZWJ": (
        "一家\U0001f468\u200d\U0001f469\u200d\U0001f467人",
        "671 2157 100 782",
        None,
    ),
    "variation selectors": ("葛\U000e0100城❤\ufe0f", "5867 1814 506", "5867 100 1814 100"),
    "combining marks": (
        "cafe\u0301好é漢\u0301字",
        "8377 1962 147 4031 2099",
        "100 1962 100 4031 100 2099",
    ),
    "control characters": ("你\x00好\x07世\u200b界\ufeff\u200e。", "872 1962 686 4518 511", None),
    "line ends": ("第一行\r\n第二行\t第三行", "5018 671 6121 5018 753 6121 5018 676 6121", None),
    "curly quotes": ("“你好”‘世界’", "100 872 1962 100 100 686 4518 100", None),
    "corner brackets": (
        "「书」『名』《红楼梦》〈一〉【注】〔二〕",
        "519 741 520 521 1399 522 517 5273 3517 3457 518 515 671 516 523 3800 524 526 753 527",
        None,
    ),
    "dashes and dots": (
        "等等……——破折号～·、。",
        "5023 5023 100 100 100 100 4788 2835 1384 8080 185 510 511",
        None,
    ),
    "numerals and iteration marks": ("人々〇〡㈠㊗①Ⅷ", "782 100", None),
    "units": (
        "5㎡ 3℃ 9％ 1‰ ￥8 ¥8",
        "126 9236 124 8320 130 8017 122 344 8101 8156 175 8156",
        None,
    ),
    "Bopomofo": ("ㄅㄆㄇ", "647 13706 13707", None),
    "Cyrillic and Greek": (
        "中国Москва αβ",
        "704 1744 244 13413 13416 13409 13403 11318 210 13381",
        "704 1744 100 210 13381",
    ),
    "not in the vocabulary": ("囧\U000210c1龘靐", "1733 100 100 100", None),
    "what is dropped": ("好\ufffd人\ue000\u00ad们", "1962 782 812", None),
    "a word of 101 letters": ("好" + "a" * 101 + "坏", "1962 100 1776", None),
}

# A vocabulary that has what the published one lacks.
PIECE_LINES = """
    [PAD] [UNK] [CLS] [SEP] [MASK] 我 你 好 世 界 房 价 年 か ##き が ##ぎ ᄒ ##ᅡ ##ᆫ 한 wifi
    WiFi iphone a ##b ##ｂ ａ ##１ 😀 👍 ， 。 “ ” … — （ ） ： 1 ##0 ##2 00 10 ( ) 〇 ㎡ ❤
    e é 字 \U00020bb7 , ~
"""
PIECES = PIECE_LINES.split()


@pytest.fixture(scope="module")
def published(shared_data):
    path = shared_data / "_vocabs" / "bert-base-chinese" / "vocab.txt"
    pieces = path.read_text("utf-8").removesuffix("\n").split("\n")
    return {lowercase: WordPiece(pieces, lowercase=lowercase) for lowercase in (True, False)}


@pytest.mark.parametrize("name", PUBLISHED)
def test_ids_with_the_published_vocabulary(name, published):
    text, folded, kept = PUBLISHED[name]
    for lowercase, expected in ((True, folded), (False, kept or folded)):
        (ids,) = published[lowercase]([text]).to_list()
        assert " ".join(map(str, ids)) == expected


@pytest.mark.parametrize(
    ("text", "folded", "kept"),
    [
        ("我用WiFi，你好。", "我 [UNK] wifi ， 你 好 。", "我 [UNK] WiFi ， 你 好 。"),
        ("ab好AB", "a ##b 好 a ##b", "a ##b 好 [UNK]"),
        ("房价102(好)～~", "房 价 10 ##2 ( 好 ) [UNK] ~", "房 价 10 ##2 ( 好 ) [UNK] ~"),
        ("“你好”——世界…", "“ 你 好 ” — — 世 界 …", "“ 你 好 ” — — 世 界 …"),
        ("（年）：ａｂ１ Ａ", "（ 年 ） ： ａ ##ｂ ##１ ａ", "（ 年 ） ： ａ ##ｂ ##１ [UNK]"),
        ("\U00020bb7好\U00020bb8好\u3400", "𠮷 好 [UNK] 好 [UNK]", "𠮷 好 [UNK] 好 [UNK]"),
        ("你\u3000好\u00a0世\u200b界\x00", "你 好 世 界", "你 好 世 界"),
        ("がぎ か\u3099き", "か ##き か ##き", "が ##ぎ [UNK]"),
        ("한 한", "ᄒ ##ᅡ ##ᆫ ᄒ ##ᅡ ##ᆫ", "한 한"),
        ("😀好👍\U0001f3fd 👍", "😀 好 [UNK] 👍", "😀 好 [UNK] 👍"),
        ("é好e\u0301 字\u0301", "e 好 e 字", "é 好 [UNK] 字 [UNK]"),
        ("〇世〇 ㎡ ❤\ufe0f ❤", "〇 世 〇 ㎡ ❤ ❤", "〇 世 〇 ㎡ [UNK] ❤"),
        ("\uf98e年", "年 年", "[UNK] 年"),
    ],
)
def test_pieces_with_a_small_vocabulary(text, folded, kept):
    for lowercase, expected in ((True, folded), (False, kept)):
        (ids,) = WordPiece(PIECES, lowercase=lowercase)([text]).to_list()
        assert " ".join(PIECES[index] for index in ids) == expected


def test_a_special_piece_does_not_come_in_through_the_text():
    """Hugging Face takes it for the piece; here only tfft itself sets special pieces."""
    (ids,) = WordPiece(PIECES)(["[CLS]你[SEP]好"]).to_list()
    unknown = PIECES.index("[UNK]")
    assert PIECES.index("你") in ids and PIECES.index("好") in ids
    assert not {PIECES.index("[CLS]"), PIECES.index("[SEP]")} & set(ids) and unknown in ids


def test_characters_of_pieces():
    """Each ideograph is found again in the text, also outside of the first plane."""
    from tfft.text.alignment import pieces_with_offsets

    text = "我用\U00020bb7 WiFi，\u3000好😀"
    found = pieces_with_offsets([text], WordPiece(PIECES))
    places = zip(found.starts.to_list()[0], found.ends.to_list()[0], strict=True)
    assert [text[start:end] for start, end in places] == [
        *("我", "用", "\U00020bb7", "WiFi", "，", "好", "😀"),
    ]
