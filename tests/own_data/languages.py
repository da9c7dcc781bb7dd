"""Corpora in six scripts. The words are real; the texts are made of them by chance."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from tests.own_data.case import FILLER, Case, listed, make_texts, make_words, write_csv

GERMAN_FILLER = listed(
    "der die das und ich nicht es ist zu ein mit wir auf für habe von seit noch den dem aber auch",
    "bei sich Ihnen bitte schon wieder heute gestern leider über während möchte können würde",
    "größer außerdem täglich Grüße Straße Mitarbeiter Termin Woche Kunde Gespräch Nachmittag",
)
GERMAN = {
    "Lieferung": "Paket Zusteller Sendung verspätet Lieferung Versand Spedition Nachbar Abholung",
    "Rechnung": "Rechnung Mahnung Betrag überwiesen Konto Gutschrift abgebucht Lastschrift Euro",
    "Gerät": "Gerät kaputt Akku Bildschirm lädt Garantie Reparatur Lüfter Geräusch",
    "Vertrag": "Vertrag kündigen Laufzeit Tarif Verlängerung Frist Kündigung Anbieter wechseln",
    "Lob": "danke großartig freundlich zufrieden schnell toll weiterempfehlen hervorragend Lob",
}


def german(folder: Path) -> Case:
    """Complaints in German: umlauts, long compounds, every third text decomposed.

    Texts from macOS have `u` and a combining diaeresis where others have `ü`; all new texts do.
    """
    rng = random.Random(1)
    signals = {label: words.split() for label, words in GERMAN.items()}
    nouns = [word.lower() for words in signals.values() for word in words if word[0].isupper()]
    compounds = [f"Kunden{rng.choice(nouns)}s{rng.choice(nouns)}mappe" for _ in range(30)]
    filler = GERMAN_FILLER + compounds
    rows = make_texts(rng, signals, dict.fromkeys(signals, 180), filler=filler)
    probes = make_texts(rng, signals, dict.fromkeys(signals, 40), filler=filler)
    rows = [
        (unicodedata.normalize("NFD", t) if i % 3 == 0 else t, y) for i, (t, y) in enumerate(rows)
    ]
    probes = [(unicodedata.normalize("NFD", text), label) for text, label in probes]
    return Case(write_csv(folder / "reklamationen.csv", rows), rows, probes, 0.95)


CHINESE_FILLER = listed(
    "的 了 我 在 这个 东西 昨天 收到 买 给 朋友 用 觉得 包装 颜色 店家 今天 一个 还是 已经 时候",
    "家里 孩子 手机 衣服 商品 打开 看到 第二次 下单 跟 图片 一样 就是 有点 大小 价格",
)
CHINESE = {
    "好评": "很好用 质量不错 物流很快 非常满意 值得购买 性价比高 做工精细 客服热情 超级喜欢",
    "差评": "不好用 质量很差 物流太慢 非常失望 不值得买 价格太贵 做工粗糙 客服冷淡 要求退货",
}


def chinese(folder: Path) -> Case:
    """Product reviews in Chinese: no spaces, full-width punctuation, the same characters in both
    classes, so that only neighbouring characters tell them apart."""
    return _without_spaces(folder / "评论.csv", 2, CHINESE, CHINESE_FILLER, "。")


THAI_FILLER = listed(
    "ที่ และ ของ เรา ได้ ไป มา วันนี้ เมื่อวาน สินค้า ร้าน ซื้อ ให้ เพื่อน ใช้ กล่อง สี คน เวลา บ้าน เปิด ดู",
    "โทรศัพท์ เสื้อ อีก ครั้ง แล้ว จะ ก็ เป็น",
)
THAI = {
    "พอใจ": "ดีมาก คุณภาพดี ส่งเร็ว ชอบมาก ประทับใจ คุ้มค่า บริการดี แนะนำเลย สวยงาม อร่อย",
    "ไม่พอใจ": "แย่มาก คุณภาพต่ำ ส่งช้า ผิดหวัง เสียหาย แพงเกินไป บริการแย่ ขอเงินคืน สกปรก ไม่อร่อย",
}


def thai(folder: Path) -> Case:
    """Reviews in Thai: no spaces between words, vowels and tones as combining marks."""
    return _without_spaces(folder / "รีวิว.csv", 3, THAI, THAI_FILLER, "")


def _without_spaces(
    file: Path, seed: int, words: dict[str, str], filler: Sequence[str], end: str
) -> Case:
    rng = random.Random(seed)
    signals = {label: phrases.split() for label, phrases in words.items()}
    form = {"filler": filler, "length": (6, 14), "strength": (2, 3), "between": "", "end": end}
    rows = make_texts(rng, signals, dict.fromkeys(signals, 400), **form)  # type: ignore[arg-type]
    probes = make_texts(rng, signals, dict.fromkeys(signals, 100), **form)  # type: ignore[arg-type]
    return Case(
        *(write_csv(file, rows), rows, probes, 0.9),
        says=("no spaces between words",),
        advice=("--data.tokenizer", "characters"),
        analyzer="char",
    )


ARABIC_FILLER = listed(
    "في من على هذا كان ما لا مع الذي عن إلى قد كل بعد يوم أنا نحن لم هناك أيضا عند اليوم أمس الوقت",
    "الغرفة المكان الناس الطلب الهاتف البيت المدينة الطريق الباب السيارة",
)
ARABIC = {
    "إيجابي": "ممتاز رائع جميل نظيف سريع مريح لذيذ مفيد شكرا سعيد مذهل لطيف",
    "سلبي": "سيئ مزعج قذر بطيء مكسور غالي ممل ضعيف فاشل حزين مخيب رديء",
}


def arabic(folder: Path) -> Case:
    """Reviews in Arabic, right to left: vowel marks in some words, lengthened letters (tatweel),
    `and` joined to its word, and invisible direction marks around every fifth text."""
    rng = random.Random(4)

    def spell(word: str) -> str:
        if rng.random() < 0.15:
            word = word[:2] + "ـ" * rng.randint(1, 3) + word[2:]
        if rng.random() < 0.1:
            word = word[0] + "\N{ARABIC FATHA}" + word[1:]
        return "و" + word if rng.random() < 0.1 else word

    def spell_all(rows: list[tuple[str, str]]) -> list[tuple[str, str]]:
        texts = (" ".join(map(spell, text.split())) for text, _ in rows)
        marked = (
            f"\N{RIGHT-TO-LEFT MARK}{text}\N{LEFT-TO-RIGHT MARK}" if i % 5 == 0 else text
            for i, text in enumerate(texts)
        )
        return [(text, label) for text, (_, label) in zip(marked, rows, strict=True)]

    signals = {label: words.split() for label, words in ARABIC.items()}
    form = {"filler": ARABIC_FILLER, "strength": (4, 6)}
    rows = spell_all(make_texts(rng, signals, dict.fromkeys(signals, 500), **form))  # type: ignore[arg-type]
    probes = spell_all(make_texts(rng, signals, dict.fromkeys(signals, 100), **form))  # type: ignore[arg-type]
    return Case(write_csv(folder / "مراجعات.csv", rows), rows, probes, 0.95)


HINDI_FILLER = listed(
    "यह है और में से को पर था हम वह नहीं एक भी तो कर रहा लिए साथ बहुत अब फिर आज उस घर समय लोग काम बात",
)
# The consonants of the classes are the same, and their vowel signs are not.
HINDI = {
    "प्रकृति": ["दिन", "काल", "नदी", "मेला", "पीला"],
    "जीवन": ["दीन", "कुल", "नाद", "माला", "पालि"],
}


def hindi(folder: Path) -> Case:
    """Hindi: vowels are combining marks, and the classes differ in them alone.

    A tokenizer for which a mark ends a word sees the same consonants in both classes.
    """
    rng = random.Random(5)
    form = {"filler": HINDI_FILLER, "strength": (3, 4), "end": " ।"}
    rows = make_texts(rng, HINDI, dict.fromkeys(HINDI, 200), **form)  # type: ignore[arg-type]
    probes = make_texts(rng, HINDI, dict.fromkeys(HINDI, 100), **form)  # type: ignore[arg-type]
    return Case(write_csv(folder / "hindi.csv", rows), rows, probes, 0.9, analyzer="char")


EMOJI = {
    "joy": ["😀", "😂", "🥳", "👍🏽", "👩‍💻", "☺️"],
    "anger": ["😡", "🤬", "👎🏿", "💢", "🖕🏼", "😤"],
    "love": ["❤️", "😍", "👨‍👩‍👧", "💕", "😘", "🏳️‍🌈"],
}


def emoji(folder: Path) -> Case:
    """Chat in which emoji alone tell the class: joined ones, skin tones, variation selectors, all
    stuck to the word before them."""
    rng = random.Random(6)

    def chat(each: int) -> list[tuple[str, str]]:
        rows = make_texts(rng, EMOJI, dict.fromkeys(EMOJI, each), length=(4, 9), end="")
        signs = [sign for signs in EMOJI.values() for sign in signs]
        for sign in signs:
            rows = [(text.replace(f" {sign}", sign), label) for text, label in rows]
        return rows

    rows, probes = chat(280), chat(60)
    return Case(write_csv(folder / "chat.csv", rows), rows, probes, 0.9, analyzer="char")


def mixed(folder: Path) -> Case:
    """Posts in four languages in one file; the class is the language."""
    rng = random.Random(7)
    words = {
        "de": GERMAN_FILLER,
        "en": FILLER[:40],
        "ar": ARABIC_FILLER,
        "xx": make_words(rng, 40),
    }
    rows = make_texts(rng, words, dict.fromkeys(words, 60), filler=["2026", "ok", "@user"])
    probes = make_texts(rng, words, dict.fromkeys(words, 20), filler=["2026", "ok", "@user"])
    return Case(write_csv(folder / "posts.csv", rows), rows, probes, 0.9)
