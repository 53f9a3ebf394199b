"""The vocabulary of attributes: what a style may say of itself, so that red is one colour whoever writes it."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from game.errors import TestFieldInvalid

MAX_LEVEL_LENGTH = 40

Kind = Literal["category", "number"]


@dataclass(frozen=True, slots=True)
class Level:
    """One value of a category: its code, and its names in both languages."""

    code: str
    zh: str
    en: str
    also: tuple[str, ...] = ()

    def is_called(self, text: str) -> bool:
        return _plain(text) in {_plain(name) for name in (self.code, self.zh, self.en, *self.also)}


@dataclass(frozen=True, slots=True)
class Attribute:
    """One thing a style can say of itself.

    `open` categories take any text (there is no list of all colours); closed ones take their levels only, because there
    a word that nobody knows is a typing error. Numbers have a unit and no levels.
    """

    code: str
    zh: str
    en: str
    kind: Kind = "category"
    levels: tuple[Level, ...] = ()
    open: bool = True
    unit: str = ""
    also: tuple[str, ...] = ()

    def is_called(self, text: str) -> bool:
        return _plain(text) in {_plain(name) for name in (self.code, self.zh, self.en, *self.also)}

    def label(self, language: str) -> str:
        return self.zh if language == "zh" else self.en

    def level_label(self, value: str | float, language: str) -> str:
        """What is shown for a value; free values are shown as they were written."""
        for level in self.levels:
            if level.code == value:
                return level.zh if language == "zh" else level.en
        return f"{value:g}" if isinstance(value, float) else str(value)

    def read(self, value: object) -> str | float:
        """The value as it is kept: the code of a known level, free text, or a number; raises AttributeRefused."""
        return self._number(value) if self.kind == "number" else self._level(value)

    def _number(self, value: object) -> float:
        try:
            number = (
                float(_bare(value)) if isinstance(value, str | int | float) and not isinstance(value, bool) else None
            )
        except ValueError:
            number = None
        if number is None or not abs(number) < 1e9:  # NaN is not below anything
            raise AttributeRefused(self.en, en=f"{_shown(value)} is not a number.", zh=f"{_shown(value)} 不是数字。")
        return number

    def _level(self, value: object) -> str:
        if isinstance(value, bool) or not isinstance(value, str | int | float) or not str(value).strip():
            raise AttributeRefused(self.en, en=f"{_shown(value)} is not a text.", zh=f"{_shown(value)} 不是文字。")
        text = str(value).strip()
        for level in self.levels:
            if level.is_called(text):
                return level.code
        if len(text) > MAX_LEVEL_LENGTH:
            raise AttributeRefused(
                self.en,
                en=f"at most {MAX_LEVEL_LENGTH} characters; this has {len(text)}.",
                zh=f"最多 {MAX_LEVEL_LENGTH} 个字，现在有 {len(text)} 个。",
            )
        if self.open:
            return text
        near = nearest(text, [name for level in self.levels for name in (level.zh, level.en, level.code)])
        known = "、".join(level.zh for level in self.levels)
        raise AttributeRefused(
            self.en,
            en=f'"{text}" is unknown; ' + (f'did you mean "{near}"?' if near else f"use one of {known}."),
            zh=f"没有“{text}”这个选项；" + (f"是不是“{near}”？" if near else f"可选：{known}。"),
        )


class AttributeRefused(TestFieldInvalid):
    """{field}: {problem}"""

    def __init__(self, field: str, *, en: str, zh: str) -> None:
        super().__init__(field=field, problem=en, problem_zh=zh)


def _bare(value: str | int | float) -> str:
    """A number without the signs of money that stand around it in merchants' tables."""
    return str(value).strip().lstrip("\u00a5\uffe5").rstrip("元").replace(",", "")


def _plain(text: str) -> str:
    return text.strip().casefold().replace("-", " ").replace("_", " ")


def _shown(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _levels(*rows: str) -> tuple[Level, ...]:
    """Levels from rows of `code|zh|en|also|also …`."""
    return tuple(Level(code, zh, en, tuple(also)) for code, zh, en, *also in (row.split("|") for row in rows))


VOCABULARY: tuple[Attribute, ...] = (
    Attribute("colour", "颜色", "Colour", also=("color", "色"), levels=_levels(
        "white|白色|White|白", "ivory|米白|Ivory|米白色|off white", "black|黑色|Black|黑", "grey|灰色|Grey|灰|gray",
        "red|红色|Red|红|正红", "pink|粉色|Pink|粉|粉红", "orange|橙色|Orange|橙", "yellow|黄色|Yellow|黄",
        "green|绿色|Green|绿", "blue|蓝色|Blue|蓝", "haze blue|雾霾蓝|Haze blue|雾蓝", "purple|紫色|Purple|紫",
        "brown|棕色|Brown|棕|咖啡色", "khaki|卡其色|Khaki|卡其", "navy|藏青|Navy|藏蓝",
    )),
    Attribute("sleeve", "袖长", "Sleeve", open=False, also=("袖子", "袖", "sleeve length"), levels=_levels(
        "sleeveless|无袖|Sleeveless", "short|短袖|Short sleeve|短", "elbow|五分袖|Elbow sleeve|中袖",
        "three-quarter|七分袖|Three-quarter sleeve", "long|长袖|Long sleeve|长",
    )),
    Attribute("length", "衣长", "Length", open=False, also=("裙长", "长度"), levels=_levels(
        "crop|短款|Cropped", "mini|短裙|Mini|迷你", "knee|及膝|Knee length|中裙", "midi|中长|Midi|中长款",
        "maxi|长裙|Maxi|长款|及踝",
    )),
    Attribute("neckline", "领型", "Neckline", open=False, also=("领口", "领子", "neck", "collar"), levels=_levels(
        "round|圆领|Round neck", "v-neck|V领|V-neck|v 领", "square|方领|Square neck", "shirt|衬衫领|Shirt collar|翻领",
        "stand|立领|Stand collar", "boat|一字领|Boat neck", "halter|挂脖|Halter", "off-shoulder|露肩|Off-shoulder",
        "hooded|连帽|Hooded", "polo|Polo领|Polo collar",
    )),
    Attribute("fabric", "面料", "Fabric", also=("材质", "material"), levels=_levels(
        "cotton|棉|Cotton|纯棉|全棉", "linen|亚麻|Linen|麻|棉麻", "silk|真丝|Silk|丝", "wool|羊毛|Wool",
        "denim|牛仔|Denim",
        "chiffon|雪纺|Chiffon", "polyester|聚酯|Polyester|涤纶", "knit|针织|Knit", "lace|蕾丝|Lace",
        "leather|皮革|Leather",
    )),
    Attribute("silhouette", "版型", "Silhouette", open=False, also=("廓形", "fit"), levels=_levels(
        "slim|修身|Slim", "regular|合身|Regular", "loose|宽松|Loose|oversize", "a-line|A字|A-line|A 字",
        "straight|直筒|Straight",
    )),
    Attribute("pattern", "图案", "Pattern", also=("花型", "print"), levels=_levels(
        "plain|纯色|Plain|素色", "stripes|条纹|Stripes", "checks|格纹|Checks|格子", "dots|波点|Dots",
        "floral|碎花|Floral|花",
    )),
    Attribute("waist", "腰型", "Waist", also=("腰线",), levels=_levels(
        "high|高腰|High", "natural|中腰|Natural", "low|低腰|Low", "none|无腰线|None",
    )),
    Attribute("season", "季节", "Season", also=(), levels=_levels(
        "spring|春|Spring|春季", "summer|夏|Summer|夏季", "autumn|秋|Autumn|秋季", "winter|冬|Winter|冬季",
    )),
    Attribute("price", "价格", "Price", kind="number", unit="CNY", also=("售价", "单价")),
)  # fmt: skip


def nearest(text: str, names: Iterable[str]) -> str | None:
    """The name that was probably meant, or None where nothing is near."""
    by_plain = {_plain(name): name for name in names}
    # Chinese words are short: one wrong character of two is already a ratio of 0.5
    cutoff = 0.5 if len(text.strip()) <= 4 and not text.isascii() else 0.7
    found = difflib.get_close_matches(_plain(text), by_plain, n=1, cutoff=cutoff)
    return by_plain[found[0]] if found else None


def known_attributes(declared: Mapping[str, object] | None = None) -> tuple[Attribute, ...]:
    """The vocabulary, with a test's own declarations: `{name: {zh, en, kind, levels, unit}}`, all optional.

    Declaring a name of the vocabulary adds levels to it. Raises AttributeRefused on an unknown key or a bad value.
    """
    known = list(VOCABULARY)
    for name, about in (declared or {}).items():
        new = _declared(name, about)
        at = next((i for i, old in enumerate(known) if old.is_called(name)), None)
        if at is None:
            known.append(new)
            continue
        old = known[at]
        if new.kind != old.kind:
            raise AttributeRefused(
                name, en=f"this is a {old.kind} and cannot become a {new.kind}.", zh="词汇表里的属性不能改变类型。"
            )
        added = tuple(level for level in new.levels if not any(one.is_called(level.code) for one in old.levels))
        known[at] = replace(old, levels=old.levels + added)
    return tuple(known)


def _declared(name: str, about: object) -> Attribute:
    keys = ("zh", "en", "kind", "levels", "unit")
    if not name.strip() or len(name) > MAX_LEVEL_LENGTH:
        raise AttributeRefused(
            "attributes",
            en=f"a name has between 1 and {MAX_LEVEL_LENGTH} characters.",
            zh=f"属性名应为 1 到 {MAX_LEVEL_LENGTH} 个字。",
        )
    if not isinstance(about, Mapping):
        example = '{ zh = "图案", levels = ["碎花", "纯色"] }'
        raise AttributeRefused(name, en=f"describe it as a table, like {example}.", zh=f"请写成表格，例如 {example}。")
    for key in about:
        if key not in keys:
            near = nearest(str(key), keys)
            raise AttributeRefused(
                name,
                en=f'"{key}" is unknown; ' + (f'did you mean "{near}"?' if near else f"use {', '.join(keys)}."),
                zh=f"没有“{key}”这一项；" + (f"是不是“{near}”？" if near else f"可用：{'、'.join(keys)}。"),
            )
    levels = about.get("levels", ())
    if not isinstance(levels, list | tuple) or not all(isinstance(one, str) and one.strip() for one in levels):
        raise AttributeRefused(
            name,
            en='levels is a list of texts, like ["碎花", "纯色"].',
            zh='levels 应为一组文字，例如 ["碎花", "纯色"]。',
        )
    kind = about.get("kind", "category")
    if kind not in ("category", "number"):
        raise AttributeRefused(
            name, en=f"kind must be category or number, and is {_shown(kind)}.", zh="kind 只能是 category 或 number。"
        )
    if kind == "number" and levels:
        raise AttributeRefused(name, en="a number has no levels.", zh="数字属性没有选项。")
    return Attribute(
        code=name.strip(),
        zh=str(about.get("zh", name)).strip(),
        en=str(about.get("en", name)).strip(),
        kind="number" if kind == "number" else "category",
        levels=tuple(Level(one.strip(), one.strip(), one.strip()) for one in levels),
        open=not levels,
        unit=str(about.get("unit", "")),
    )


def find_attribute(name: str, known: Sequence[Attribute] = VOCABULARY) -> Attribute:
    """The attribute that is called so in either language; raises AttributeRefused, suggesting the near one."""
    for attribute in known:
        if attribute.is_called(name):
            return attribute
    near = nearest(name, [label for one in known for label in (one.zh, one.en, one.code)])
    raise AttributeRefused(
        name,
        en="unknown attribute; " + (f'did you mean "{near}"?' if near else "declare it under [attributes] to use it."),
        zh="没有这个属性；" + (f"是不是“{near}”？" if near else "自定义属性请先在 [attributes] 中声明。"),
    )


def read_attributes(
    given: Mapping[str, object], known: Sequence[Attribute] = VOCABULARY
) -> tuple[tuple[str, str | float], ...]:
    """What a style says of itself as (attribute code, value) pairs, in the order of the vocabulary.

    Raises AttributeRefused for an unknown or twice-named attribute and for a value that it cannot have.
    """
    read: dict[str, str | float] = {}
    for name, value in given.items():
        attribute = find_attribute(name, known)
        if attribute.code in read:
            raise AttributeRefused(name, en=f"{attribute.en} stands twice.", zh=f"{attribute.zh}写了两次。")
        read[attribute.code] = attribute.read(value)
    order = [attribute.code for attribute in known]
    return tuple(sorted(read.items(), key=lambda pair: order.index(pair[0])))
