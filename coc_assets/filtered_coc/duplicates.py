"""Instrument `set_duplicates`: labels that say of one moment what was said of another, over a whole set.

A measured label is made specific by its figures ("19.0 m ahead, closing at 2.3 m/s") and by the sides it names, so two
labels are near only where these are the same; then all but a few of their other words have to be. Equal words about
equal scenes are no fault: a label that cites no cause, or that has few words, is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import product

import numpy as np
import numpy.typing as npt
import polars as pl

from coc_assets.filtered_coc.structure import PARTS
from resources import schemas
from resources.settings.filtering import DuplicateThresholds

INSTRUMENT = "set_duplicates"
VERSION = "1"

_SPECIFIC = r"[0-9]+(?:[.,][0-9]+)*|(?-u:\b)(?:left|right)(?-u:\b)"
_WORD = r"\p{L}+|[0-9]+(?:[.,][0-9]+)*"
_NAMED = 3  # duplicates that a detail names
_GROUPS = 8  # that all words are dealt into by their hash
_DEALINGS = 2  # by other digits of it each
_BITS_OF_A_GROUP = 16
_NEIGHBOURS = 8  # of a text in each order that are compared with it
_BITS = 256  # of a bitmap by which most pairs are ruled out
_TEXTS_AT_ONCE = 20_000  # bounds memory
_WORDS_AT_ONCE = 1_000_000  # likewise
_ENOUGH = 8  # near texts, after which a text looks only at those that have fewer

_Ints = npt.NDArray[np.int64]
_Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class _Sketch:
    """What is kept of texts to find near ones by, a row each.

    Attributes:
        groups: of each dealing and group of words a hash that tells which of them occur.
        bitmap: two texts differ in at least as many words as their bitmaps differ in bits.
        words: hashes of the different words of each text, one text after the other; 0 is none's.
        size: count of different words.
    """

    groups: _Hashes
    bitmap: _Hashes
    words: npt.NDArray[np.uint32]
    size: _Ints

    @cached_property
    def begins(self) -> _Ints:
        """Where each text's words begin."""
        return np.cumsum(self.size) - self.size

    def padded(self, rows: _Ints) -> npt.NDArray[np.uint32]:
        """Words of these texts, a row each, filled up with zeros."""
        place = np.arange(self.size[rows].max(initial=0))
        there = place < self.size[rows][:, None]
        at = np.where(there, self.begins[rows][:, None] + place, 0)
        return np.where(there, self.words[at] if len(self.words) else 0, 0).astype(np.uint32)


def near_duplicates(labels: pl.DataFrame, thresholds: DuplicateThresholds) -> pl.DataFrame:
    """Of each label how many other ones of its labeler say nearly the same of other keyframes.

    Compared are trace, the four parts and the components' phrases, without case and punctuation: figures and sides are
    the same, and of their different words two labels have at least `similarity` in common. Equal texts are all found,
    however many there are. Of texts that are nearly equal each is compared with the likeliest others only, so that time
    grows with the set and not with its square; where very many crowd together the count is a lower bound.

    Args:
        labels: rows of `raw_coc`, of any chunks and in any order.

    Returns:
        Rows of `set_measurements` by chunk and label, only of labels that have a duplicate: `near_duplicates`, the
        count; its detail names some of them. Equal sets of labels give equal rows.
    """
    said = _numbered(_comparable(labels, thresholds))
    texts = said.unique("text", keep="first").sort("text").select("text", "block", "words")
    near = _near_texts(texts, thresholds.similarity)
    counted = _counted(said.select("chunk", "label_id", "keyframe_id", "text"), near)
    rows = counted.with_columns(
        instrument=pl.lit(INSTRUMENT), version=pl.lit(VERSION), name=pl.lit("near_duplicates"),
        value=pl.col("value").cast(pl.Float64),
    )  # fmt: skip
    return schemas.conform(rows, schemas.SET_MEASUREMENTS).sort("chunk", "label_id")


# ---- what is compared ------------------------------------------------------------------------------------------------


def _comparable(labels: pl.DataFrame, thresholds: DuplicateThresholds) -> pl.DataFrame:
    """Labels that share their labeler and all that makes them specific with another one, by chunk and label.

    Returns:
        chunk, label_id, keyframe_id; block: equal where those are shared; words: of the label, in order.
    """
    phrases = pl.col("components").list.eval(pl.element().struct.field("phrase")).list.join(" ", ignore_nulls=True)
    specific = (
        labels.lazy()
        .filter((pl.col("status") == "ok") & (pl.col("components").list.len() > 0))
        .select(
            *("chunk", "label_id", "keyframe_id", "labeler"),
            pl.concat_str("trace", *PARTS, phrases, separator=" ", ignore_nulls=True).str.to_lowercase().alias("said"),
        )
        .with_columns(pl.col("said").str.extract_all(_SPECIFIC).alias("figures"))
        .collect(engine="streaming")
    )
    block = _hash_of_each(specific["figures"]) ^ specific["labeler"].hash().to_numpy()
    return (
        specific.lazy()
        .with_columns(pl.Series("block", block))
        .filter(pl.len().over("block") > 1)
        .select("chunk", "label_id", "keyframe_id", "block", words=pl.col("said").str.extract_all(_WORD))
        .filter(pl.col("words").list.len() >= thresholds.least_words)
        .collect(engine="streaming")
        .sort("chunk", "label_id", "block")
    )


def _numbered(comparable: pl.DataFrame) -> pl.DataFrame:
    """Adds `text`, the number of the text that a label says; labels of one block and the same words share it."""
    whole = comparable.with_columns(said=pl.col("words").list.join(" "))
    texts = whole.select("block", "said").unique(maintain_order=True).with_row_index("text")
    return whole.join(texts, on=["block", "said"], how="left", maintain_order="left").drop("said")


def _hash_of_each(lists: pl.Series) -> _Hashes:
    """A hash of each list that does not depend on its order."""
    hashes, of_list = _flat(lists)
    summed = np.zeros(lists.len(), np.uint64)
    np.add.at(summed, of_list, hashes)
    return summed


def _flat(lists: pl.Series) -> tuple[_Hashes, _Ints]:
    """Hashes of all elements, one list after the other, and which list each is of."""
    lengths = lists.list.len().to_numpy()
    return lists.list.explode(empty_as_null=False).hash().to_numpy(), np.repeat(np.arange(lists.len()), lengths)


# ---- which texts are near --------------------------------------------------------------------------------------------


def _near_texts(texts: pl.DataFrame, similarity: float) -> pl.DataFrame:
    """Pairs of texts of one block that are nearly but not quite equal, each pair once.

    Args:
        texts: text, block, words; a row each.

    Returns:
        Columns text and other.
    """
    shared = texts.filter(pl.len().over("block") > 1)
    pairs = _near_rows(_sketch(shared["words"]), shared["block"].to_numpy(), similarity)
    return pl.DataFrame({"text": shared["text"].gather(pairs[:, 0]), "other": shared["text"].gather(pairs[:, 1])})


def _near_rows(sketch: _Sketch, block: _Hashes, similarity: float) -> _Ints:
    """Pairs of rows that are near, from several orders of the texts in which near ones come to lie together.

    Two texts that both have enough near ones already are not compared any more.
    """
    rows = len(block)
    near = np.empty(0, np.int64)
    for order in _orders(sketch.groups, block):
        have = np.bincount(np.concatenate(np.divmod(near, max(rows, 1))), minlength=rows)
        likely = _once(_likely(order, have < _ENOUGH, sketch, block, similarity))
        likely = likely[~np.isin(likely, near, assume_unique=True, kind="sort")]
        near = np.concatenate([near, likely[_are_near(*np.divmod(likely, max(rows, 1)), sketch, similarity)]])
    return np.column_stack(np.divmod(near, max(rows, 1)))


def _once(codes: _Ints) -> _Ints:
    """The different ones among many, in order (`np.unique` takes ten times as long)."""
    ordered = np.sort(codes)
    return ordered[np.diff(ordered, prepend=-1) > 0]


def _orders(groups: _Hashes, block: _Hashes) -> Iterator[_Ints]:
    """Orders of the texts, block by block, each by what they say in one group of words, then in the next and so on.

    Each begins at another group; what two near texts differ in falls into few of them.
    """
    short = groups >> np.uint64(64 - _BITS_OF_A_GROUP)
    for dealing, first in product(range(_DEALINGS), range(_GROUPS)):
        turned = np.roll(short[:, dealing], -first, axis=1)
        keys = [_packed(turned[:, begin : begin + _GROUPS // 2]) for begin in (0, _GROUPS // 2)]
        yield np.lexsort((keys[1], keys[0], block))


def _packed(short: _Hashes) -> _Hashes:
    """One number of the groups of each row, the first weighing most."""
    packed = np.zeros(len(short), np.uint64)
    for column in short.T:
        packed = packed << np.uint64(_BITS_OF_A_GROUP) | column
    return packed


def _likely(order: _Ints, wanting: npt.NDArray[np.bool_], sketch: _Sketch, block: _Hashes, similarity: float) -> _Ints:
    """Pairs of rows close in an order that bitmaps do not rule out: the lesser times the count of rows, plus the other.

    Args:
        wanting: rows that have not enough near ones yet; one of each pair is of them.
    """
    found = []
    for step in range(1, _NEIGHBOURS + 1):
        one, other = order[:-step], order[step:]
        both = (block[one] == block[other]) & (wanting[one] | wanting[other])
        one, other = one[both], other[both]
        differing = np.bitwise_count(sketch.bitmap[one] ^ sketch.bitmap[other]).sum(axis=1)
        sizes = sketch.size[one] + sketch.size[other]
        likely = sizes - differing >= similarity * sizes
        found.append((np.minimum(one, other) * len(block) + np.maximum(one, other))[likely])
    return np.concatenate(found)


def _are_near(one: _Ints, other: _Ints, sketch: _Sketch, similarity: float) -> npt.NDArray[np.bool_]:
    """Whether two rows have enough words in common, counted exactly; some pairs of like size at a time."""
    near = np.zeros(len(one), np.bool_)
    by_size = np.argsort(sketch.size[one], kind="stable")
    for some in np.array_split(by_size, max(1, int(sketch.size[one].sum()) // _WORDS_AT_ONCE)):
        both = np.sort(np.hstack([sketch.padded(one[some]), sketch.padded(other[some])]), axis=1)
        common = ((both[:, 1:] == both[:, :-1]) & (both[:, 1:] != 0)).sum(axis=1)
        near[some] = 2 * common >= similarity * (sketch.size[one[some]] + sketch.size[other[some]])
    return near


def _sketch(words: pl.Series) -> _Sketch:
    parts = [_sketch_some(words[first : first + _TEXTS_AT_ONCE]) for first in range(0, words.len(), _TEXTS_AT_ONCE)]
    parts = parts or [_sketch_some(words)]
    return _Sketch(*(np.concatenate([getattr(part, item.name) for part in parts]) for item in fields(_Sketch)))


def _sketch_some(words: pl.Series) -> _Sketch:
    hashes, text = _flat(words.list.unique())
    groups = np.zeros((_DEALINGS, words.len() * _GROUPS), np.uint64)
    for dealing in range(_DEALINGS):
        dealt = (hashes // np.uint64(_GROUPS**dealing) % np.uint64(_GROUPS)).astype(np.int64)
        np.add.at(groups[dealing], text * _GROUPS + dealt, hashes)
    short = (hashes >> np.uint64(32)).astype(np.uint32)
    bits = np.zeros(words.len() * _BITS, np.uint8)
    bits[text * _BITS + short % _BITS] = 1
    return _Sketch(
        groups=np.moveaxis(groups.reshape(_DEALINGS, -1, _GROUPS), 0, 1),
        bitmap=np.packbits(bits).view(np.uint64).reshape(-1, _BITS // 64),
        words=short,
        size=np.bincount(text, minlength=words.len()),
    )


# ---- how many and which ----------------------------------------------------------------------------------------------


def _counted(said: pl.DataFrame, near: pl.DataFrame) -> pl.DataFrame:
    """Of each label the count of those of other keyframes that say its text or a near one, and what some are called.

    Args:
        said: chunk, label_id, keyframe_id and text of all labels, by chunk and label.
        near: pairs of texts.

    Returns:
        chunk, label_id, value, detail; of labels whose count is not zero.
    """
    texts = said.select("text").unique()
    alike = pl.concat(
        [texts.select("text", other="text"), near.select("text", "other"), near.select(text="other", other="text")]
    )
    labels_of = said.group_by("text").len("labels")
    in_all = alike.join(labels_of, left_on="other", right_on="text").group_by("text").agg(pl.col("labels").sum())
    of_keyframe = said.group_by("text", "keyframe_id").len("own")
    own = (
        of_keyframe.select("text", "keyframe_id")
        .join(alike, on="text")
        .join(of_keyframe, left_on=["other", "keyframe_id"], right_on=["text", "keyframe_id"])
        .group_by("text", "keyframe_id")
        .agg(pl.col("own").sum())
    )
    counted = (
        said.join(in_all, on="text")
        .join(own, on=["text", "keyframe_id"])
        .with_columns(value=pl.col("labels") - pl.col("own"))
        .filter(pl.col("value") > 0)
    )
    return counted.join(_named(said, alike), on=["text", "keyframe_id"], how="left").select(
        "chunk", "label_id", "value", "detail"
    )


def _named(said: pl.DataFrame, alike: pl.DataFrame) -> pl.DataFrame:
    """Of each text and keyframe the first labels of other keyframes that say the text or a near one, in words."""
    first = said.unique(["text", "keyframe_id"], keep="first", maintain_order=True)
    some = first.group_by("text", maintain_order=True).head(_NAMED + 1)
    of_text = (
        alike.with_columns(equal=pl.col("text") == pl.col("other"))
        .sort("text", "equal", "other", descending=[False, True, False])
        .group_by("text", maintain_order=True)
        .head(_NAMED + 1)
        .join(some, left_on="other", right_on="text")
        .sort("text", "equal", "chunk", "label_id", descending=[False, True, False, False])
        .unique(["text", "keyframe_id"], keep="first", maintain_order=True)
        .group_by("text", maintain_order=True)
        .head(_NAMED + 1)
        .select("text", "label_id", of="keyframe_id")
    )
    return (
        first.select("text", "keyframe_id")
        .join(of_text, on="text", maintain_order="left_right")
        .filter(pl.col("of") != pl.col("keyframe_id"))
        .group_by("text", "keyframe_id", maintain_order=True)
        .agg(pl.format("{} of keyframe {}", "label_id", "of").head(_NAMED).alias("names"))
        .select("text", "keyframe_id", detail=pl.format("as label {}", pl.col("names").list.join(", ")))
    )
