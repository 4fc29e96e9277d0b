"""Any CSV file, or several with the same columns, with one label column."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mithridate.data.dataset import Dataset
from mithridate.data.locate import locate
from mithridate.data.registry import datasets
from mithridate.data.settings import DataSettings
from mithridate.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

MAX_TEXT_VALUES = 20
MAX_CLASSES = 1000
FILE_COLUMN = "file"


@datasets.register("csv")
def load(settings: DataSettings) -> Dataset:
    """Number columns as they are, text columns of up to 20 values as one indicator a value, labels in sorted order.

    A missing value of a number column is NaN; one of a text column has no indicator set.

    Raises:
        DataError: a file is missing or unreadable, a column named in the study is absent, a label is missing, or a
            text column holds too many values; the message names the column.
    """
    if settings.path is None or settings.label is None:
        raise DataError("a csv dataset needs data.path and data.label")
    paths = [settings.path] if isinstance(settings.path, str) else settings.path
    frame = _frame([locate(path) for path in paths], settings)
    _require(frame, [settings.label, *settings.zero_missing, *settings.ignore, *([settings.column or settings.label])])
    labels, classes = _labels(frame[settings.label], settings.positive)
    columns = _feature_columns(frame, settings)
    return Dataset(
        features=_encode(frame, columns, settings),
        labels=labels,
        classes=classes,
        kind="table",
        sites=None if settings.column is None else _sites(frame[settings.column]),
        columns=columns,
    )


def read_features(path: Path, columns: Sequence[str], settings: DataSettings) -> npt.NDArray[np.float32]:
    """The records of a CSV file in the columns a model was trained on, float32 (N, len(columns)), NaN where missing.

    The file needs a header line, whatever the study's own files have, and no label column; further columns are passed
    over.

    Raises:
        DataError: the file is unreadable or lacks one of the columns.
    """
    frame = _frame([path], settings.model_copy(update={"columns": ()}))
    _require(frame, [_source(column, frame) for column in columns])
    return _encode(frame, columns, settings)


def read_labels(path: Path, column: str, classes: Sequence[str], settings: DataSettings) -> npt.NDArray[np.int64]:
    """The labels of a CSV file's records as places among the classes a model was trained on, int64 (N,).

    Args:
        path: with a header line.
        column: that holds the labels: names of the classes, or the study's own values where it has `data.positive`.
        classes: names, in the order of the logits.
        settings: the study's.

    Raises:
        DataError: the file is unreadable, lacks the column or a label, or holds one that is none of the classes.
    """
    frame = _frame([path], settings.model_copy(update={"columns": ()}))
    _require(frame, [column])
    if frame[column].isna().any():
        raise DataError(f"the label column {column!r} is missing in some records: remove them")
    values = frame[column].str.strip().to_numpy(dtype=str)
    if settings.positive:
        return np.isin(values, settings.positive).astype(np.int64)
    return places(values, classes)


def places(values: npt.NDArray[np.str_], classes: Sequence[str]) -> npt.NDArray[np.int64]:
    """Each value's place among the classes, int64 (N,); raises DataError for a value that is none of them."""
    index = {name: place for place, name in enumerate(classes)}
    unknown = sorted(set(values.tolist()) - set(index))
    if unknown:
        raise DataError(f"the label {unknown[0]!r} is none of the classes: {', '.join(classes)}")
    return np.array([index[value] for value in values.tolist()], dtype=np.int64)


def _frame(paths: Sequence[Path], settings: DataSettings) -> "pd.DataFrame":
    """All files below one another, every field as text or missing; several files add the column `file`."""
    import pandas as pd

    frames: list[pd.DataFrame] = []
    for path in paths:
        frame = _read(path, settings)
        if len(paths) > 1:
            if FILE_COLUMN in frame:
                raise DataError(f"{path}: a column called {FILE_COLUMN!r} clashes with the files' own; rename it")
            frame[FILE_COLUMN] = path.stem
        if frames and list(frame.columns) != list(frames[0].columns):
            raise DataError(f"{path} has other columns than {paths[0]}: all files of a study need the same")
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def _read(path: Path, settings: DataSettings) -> "pd.DataFrame":
    import pandas as pd

    names = list(settings.columns) or None
    try:
        frame = pd.read_csv(
            path,
            dtype=str,
            keep_default_na=False,
            na_values=["", *settings.missing],
            skipinitialspace=True,
            header=None if names else 0,
        )
    except (OSError, ValueError, pd.errors.ParserError) as error:
        raise DataError(f"{path} is not a readable CSV file: {error}") from error
    if names and len(names) != frame.shape[1]:
        raise DataError(f"{path} has {frame.shape[1]} columns, data.columns names {len(names)}")
    frame.columns = pd.Index(names or [str(name).strip() for name in frame.columns])
    if frame.columns.has_duplicates:
        raise DataError(f"{path} has two columns called {frame.columns[frame.columns.duplicated()][0]!r}")
    if frame.empty:
        raise DataError(f"{path} holds no records")
    return frame


def _require(frame: "pd.DataFrame", names: Sequence[str]) -> None:
    absent = [name for name in dict.fromkeys(names) if name not in frame]
    if absent:
        raise DataError(f"no column {', '.join(map(repr, absent))}: the file has {', '.join(map(str, frame.columns))}")


def _labels(column: "pd.Series[str]", positive: Sequence[str]) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    if column.isna().any():
        raise DataError(
            f"the label column {column.name!r} is missing in {int(column.isna().sum())} records: remove them"
        )
    values = column.str.strip().to_numpy(dtype=str)
    if positive:
        absent = sorted(set(positive) - set(values))
        if len(absent) == len(positive):
            raise DataError(f"data.positive: none of {absent} occurs in the label column {column.name!r}")
        return np.isin(values, positive).astype(np.int64), ("negative", "positive")
    classes = _sorted_values(values)
    if len(classes) > MAX_CLASSES:
        raise DataError(f"the label column {column.name!r} has {len(classes)} values; at most {MAX_CLASSES} classes")
    index = {value: number for number, value in enumerate(classes)}
    return np.array([index[value] for value in values], dtype=np.int64), classes


def _sorted_values(values: npt.NDArray[np.str_]) -> tuple[str, ...]:
    """Distinct values; in the numbers' order where all are numbers, else in the text's."""
    distinct = sorted(set(values.tolist()))
    try:
        return tuple(sorted(distinct, key=float))
    except ValueError:
        return tuple(distinct)


def _sites(column: "pd.Series[str]") -> npt.NDArray[np.str_]:
    if column.isna().any():
        raise DataError(f"the site column {column.name!r} is missing in {int(column.isna().sum())} records")
    return column.str.strip().to_numpy(dtype=str)


def _feature_columns(frame: "pd.DataFrame", settings: DataSettings) -> tuple[str, ...]:
    passed_over = {settings.label, settings.column, FILE_COLUMN, *settings.ignore}
    names = [str(name) for name in frame.columns if name not in passed_over]
    columns = [column for name in names for column in _columns_of(frame[name])]
    if not columns:
        raise DataError("no feature column is left beside the label")
    return tuple(columns)


def _columns_of(column: "pd.Series[str]") -> list[str]:
    """The column itself if all its values are numbers, else one indicator a value."""
    present = column.dropna().str.strip()
    if _is_number(present):
        return [str(column.name)]
    values = sorted(set(present))
    if len(values) > MAX_TEXT_VALUES:
        raise DataError(
            f"column {column.name!r} holds {len(values)} text values, such as {values[0]!r}; at most "
            f"{MAX_TEXT_VALUES}: list it in data.ignore, or its token for a missing value in data.missing"
        )
    return [f"{column.name}={value}" for value in values]


def _is_number(values: "pd.Series[str]") -> bool:
    import pandas as pd

    return bool(pd.to_numeric(values, errors="coerce").notna().all())


def _source(column: str, frame: "pd.DataFrame") -> str:
    """The file's column behind a feature: itself, or for an indicator "column=value" the column."""
    return column if column in frame or "=" not in column else column.rpartition("=")[0]


def _encode(frame: "pd.DataFrame", columns: Sequence[str], settings: DataSettings) -> npt.NDArray[np.float32]:
    return np.stack([_feature(frame, column, settings) for column in columns], axis=1)


def _feature(frame: "pd.DataFrame", column: str, settings: DataSettings) -> npt.NDArray[np.float32]:
    import pandas as pd

    if column not in frame:
        name, _, value = column.rpartition("=")
        return (frame[name].str.strip() == value).to_numpy(dtype=np.float32)
    try:
        numbers = pd.to_numeric(frame[column].str.strip()).to_numpy(dtype=np.float32)
    except ValueError as error:
        raise DataError(f"column {column!r} must hold numbers: {error}") from error
    if np.isinf(numbers).any():
        raise DataError(f"column {column!r} holds an infinite or too large number")
    return np.where(numbers == 0, np.float32(np.nan), numbers) if column in settings.zero_missing else numbers
