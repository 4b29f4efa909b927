"""Bytes that are not UTF-8 are read as Windows-1252 where they are a Western European text, and refused otherwise."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from deebase._files.encodings import WesternText
from deebase._files.inputs import Input, make_input

WESTERN = {
    "French": "Élève,Où est-ce que l’été a été ? « à côté » — Noël, cœur, garçon, 20 °C, 5 €\nDéjà à la crème\n",
    "German": "Größe,Straße,Öl,Überprüfung „Wort“ – Spaß,Jäger\nMÜNCHEN,ÄRZTE\n",
    "Spanish": "¿Qué?,¡Niño!,año,España,Córdoba,Málaga,MAÑANA,1º,2ª\n",
    "Portuguese": "São Paulo,coração,Ações,informação,ÔNIBUS\n",
    "Italian": "perché,città,caffè,è vero,università\n",
    "Swedish": "Malmö,Göteborg,å ena sidan,Ängelholm\n",
    "Danish": "København,Århus,smørrebrød\n",
    "Finnish": "hääyö,Jyväskylä,päätös\n",
    "English": "naïve,“quotes”,it’s,£5,10 – 20,© 2020 Acme®,½ cup,20 µm,m²,New York–London,etc…\n",
}
LATIN_1 = ("French", "German", "Spanish", "Portuguese", "Italian", "Swedish", "Danish", "Finnish")
OTHERS = {
    "Russian": ("Москва,не,да,я,город и река\nЕсть ли жизнь на Марсе?\n", ["cp1251", "koi8-r", "cp866", "iso-8859-5"]),
    "Ukrainian": ("Київ,їжа,Україна\n", ["cp1251", "koi8-u"]),
    "one letter": ("м\nж\nм\n", ["cp1251", "koi8-r"]),
    "Japanese": ("東京,日本語,テスト,ひらがな,渋谷\n", ["shift-jis", "euc-jp"]),
    "Chinese": ("北京,中文,上海,数据\n", ["gbk", "gb18030"]),
    "Taiwanese": ("台北,中文,資料\n", ["big5"]),
    "Korean": ("서울,한국어,데이터\n", ["cp949"]),
    "Greek": ("Αθήνα,Θεσσαλονίκη,και\n", ["cp1253", "iso-8859-7"]),
    "Hebrew": ("שלום,ירושלים\n", ["cp1255"]),
    "Arabic": ("القاهرة,مرحبا\n", ["cp1256"]),
    "Polish": ("Łódź,źródło,żółty,miłość\n", ["cp1250", "iso-8859-2"]),
    "Czech": ("Příliš žluťoučký kůň,řeka\n", ["cp1250", "iso-8859-2"]),
    "Turkish": ("İstanbul,şehir,çığlık,ağaç,ışık\n", ["cp1254"]),
    "German": ("Größe,Straße,Öl,Überprüfung,Jäger\nMÜNCHEN\n", ["mac-roman", "cp850"]),
    "French": ("Élève,été,à côté,déjà vu\n", ["mac-roman", "cp850"]),
    "UTF-16": ("id,n\n1,é\n", ["utf-16-le", "utf-16-be"]),
}


def is_western(data: bytes) -> bool:
    text = WesternText()
    return text.take(data) and text.is_likely


@pytest.mark.parametrize("language", WESTERN)
def test_a_western_text_is_windows_1252(language: str) -> None:
    assert is_western(WESTERN[language].encode("cp1252"))


@pytest.mark.parametrize("language", LATIN_1)
def test_a_western_text_of_latin_1_is_the_same(language: str) -> None:
    plain = WESTERN[language].translate(str.maketrans("’—„“–œ", '\'-""-o')).replace("€", "EUR")
    assert is_western(plain.encode("latin-1"))


@pytest.mark.parametrize(
    ("language", "encoding"), [(language, name) for language, (_, names) in OTHERS.items() for name in names]
)
def test_a_text_of_another_encoding_is_not(language: str, encoding: str) -> None:
    assert not is_western(OTHERS[language][0].encode(encoding))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"caf\xe9,\0\n", id="NUL"),
        pytest.param(b"caf\xe9,\x01\n", id="a control character"),
        pytest.param(b"caf\xe9,\x81\n", id="a byte without a character"),
        pytest.param("café,".encode() + b"caf\xe9\n", id="UTF-8 and another encoding"),
        pytest.param("it’s,".encode() + b"caf\xe9\n", id="UTF-8 of three bytes and another encoding"),
        pytest.param(bytes(range(128, 256)), id="all bytes"),
        pytest.param(b"1,\xff\n", id="a letter alone"),
    ],
)
def test_other_bytes_are_not(data: bytes) -> None:
    assert not is_western(data)


def encoding_of(data: bytes, given: str | None = None) -> str:
    with ExitStack() as stack:
        made: Input = make_input(data, given, stack)
        for _ in made.find_encoding():
            pass
        return made.encoding


LONG = b"id,n\n" + b"1,a\n" * 200_000


@pytest.mark.parametrize(
    ("data", "given", "encoding"),
    [
        pytest.param(LONG, None, "utf-8-sig", id="ASCII"),
        pytest.param(LONG + "2,é\n".encode(), None, "utf-8-sig", id="UTF-8"),
        pytest.param(LONG + b"2,caf\xe9\n", None, "cp1252", id="far away"),
        pytest.param(LONG + b"2,caf\xe9\n", "utf-8", "utf-8", id="an encoding is given"),
        pytest.param(b"\xef\xbb\xbfid,n\n2,caf\xe9\n", None, "utf-8-sig", id="a mark"),
        pytest.param(b"x" * 700_000 + "é".encode() * 300_000, None, "utf-8-sig", id="one long line"),
        pytest.param(b"2,caf\xc3", None, "utf-8-sig", id="cut off within a character"),
    ],
)
def test_the_whole_file_decides_the_encoding(data: bytes, given: str | None, encoding: str) -> None:
    assert encoding_of(data, given) == encoding
