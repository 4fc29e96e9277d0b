from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mithridate.data.csv_table import load, read_features
from mithridate.data.dataset import Dataset
from mithridate.data.settings import DataSettings
from mithridate.errors import DataError

TABLE = """age, sex ,chol,site,outcome
63,m,233,A,sick
67,f,?,B,well
41,m,0,A,well
,,204,B,sick
"""


def read(folder: Path, text: str, **keys: Any) -> Dataset:
    path = folder / "table.csv"
    path.write_text(text, encoding="utf-8")
    return load(DataSettings(name="csv", path=str(path), label=keys.pop("label", "outcome"), **keys))


def test_numbers_indicators_labels_and_sites(tmp_path: Path) -> None:
    dataset = read(tmp_path, TABLE, missing=["?"], zero_missing=["chol"], column="site")
    assert dataset.columns == ("age", "sex=f", "sex=m", "chol")
    assert dataset.classes == ("sick", "well")
    assert dataset.labels.tolist() == [0, 1, 1, 0]
    assert dataset.sites is not None
    assert dataset.sites.tolist() == ["A", "B", "A", "B"]
    nan = np.nan
    expected = [[63, 0, 1, 233], [67, 1, 0, nan], [41, 0, 1, nan], [nan, 0, 0, 204]]
    np.testing.assert_array_equal(dataset.features, np.array(expected, dtype=np.float32))


def test_without_a_token_for_missing_values_the_column_is_text(tmp_path: Path) -> None:
    assert "chol=?" in read(tmp_path, TABLE).columns


def test_number_labels_are_sorted_as_numbers(tmp_path: Path) -> None:
    dataset = read(tmp_path, "x,outcome\n1,10\n2,9\n3,2\n")
    assert dataset.classes == ("2", "9", "10")
    assert dataset.labels.tolist() == [2, 1, 0]


def test_positive_label_values_make_two_classes(tmp_path: Path) -> None:
    dataset = read(tmp_path, "x,outcome\n1,0\n2,3\n3,1\n", positive=["1", "2", "3"])
    assert dataset.classes == ("negative", "positive")
    assert dataset.labels.tolist() == [0, 1, 1]


def test_a_file_without_header_and_an_ignored_column(tmp_path: Path) -> None:
    dataset = read(tmp_path, "p1,5,a\np2,6,b\n", columns=["patient", "x", "outcome"], ignore=["patient"])
    assert dataset.columns == ("x",)
    assert dataset.features.tolist() == [[5.0], [6.0]]


def test_several_files_name_their_site(tmp_path: Path) -> None:
    paths = [tmp_path / "north.csv", tmp_path / "south.csv"]
    paths[0].write_text("x,y\n1,a\n2,b\n")
    paths[1].write_text("x,y\n3,a\n")
    files = tuple(str(path) for path in paths)
    dataset = load(DataSettings(name="csv", path=files, label="y", column="file", partition="column"))
    assert dataset.sites is not None
    assert dataset.sites.tolist() == ["north", "north", "south"]
    assert dataset.columns == ("x",)


BAD = [
    ("a label is missing", "x,outcome\n1,a\n2,\n", {}, "'outcome' is missing in 1 records"),
    ("no label column", "x,y\n1,a\n", {}, "no column 'outcome': the file has x, y"),
    ("no site column", "x,outcome\n1,a\n", {"column": "ward"}, "no column 'ward'"),
    ("no ignored column", "x,outcome\n1,a\n", {"ignore": ["z"]}, "no column 'z'"),
    ("only a label", "outcome\na\n", {}, "no feature column"),
    ("no records", "x,outcome\n", {}, "no records"),
    ("nothing", "", {}, "not a readable CSV"),
    ("ragged", "x,outcome\n1,a\n1,2,3,4\n", {}, "not a readable CSV"),
    ("two of a name", "1,2,a\n", {"columns": ["x", "x", "outcome"]}, "two columns called 'x'"),
    ("other width", "1,2,a\n", {"columns": ["x", "outcome"]}, "3 columns, data.columns names 2"),
    ("infinite", "x,outcome\ninf,a\n", {}, "infinite"),
    ("no positive", "x,outcome\n1,a\n", {"positive": ["b"]}, "none of"),
    ("a missing site", "x,s,outcome\n1,,a\n", {"column": "s"}, "site column 's' is missing"),
    ("too many text values", "x,outcome\n" + "".join(f"v{i},a\n" for i in range(21)), {}, "'x' holds 21 text values"),
]


@pytest.mark.parametrize(("text", "keys", "message"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_unusable_files_are_named_errors(tmp_path: Path, text: str, keys: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, text, **keys)


def test_twenty_text_values_are_allowed(tmp_path: Path) -> None:
    text = "x,outcome\n" + "".join(f"v{i},a\n" for i in range(20))
    assert len(read(tmp_path, text).columns) == 20


def test_a_missing_or_binary_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no dataset file at"):
        load(DataSettings(name="csv", path=str(tmp_path / "none.csv"), label="y"))
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(DataError, match="not a readable CSV"):
        load(DataSettings(name="csv", path=str(tmp_path / "x.csv"), label="y"))


def test_files_of_other_columns_or_with_a_column_called_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,a\n")
    (tmp_path / "b.csv").write_text("z,y\n1,a\n")
    (tmp_path / "c.csv").write_text("file,y\n1,a\n")
    for pair, message in (("ab", "other columns"), ("cc", "clashes")):
        files = tuple(str(tmp_path / f"{name}.csv") for name in pair)
        with pytest.raises(DataError, match=message):
            load(DataSettings(name="csv", path=files, label="y"))


def test_read_features_gives_the_trained_columns_whatever_the_files_order(tmp_path: Path) -> None:
    dataset = read(tmp_path, TABLE, missing=["?"], zero_missing=["chol"], column="site")
    other = tmp_path / "new.csv"
    other.write_text("chol,more,sex,age\n?,1,f,50\n200,2,x,51\n")
    settings = DataSettings(
        name="csv", path="table.csv", label="outcome", missing=("?",), zero_missing=("chol",), column="site"
    )
    features = read_features(other, dataset.columns, settings)
    np.testing.assert_array_equal(features, np.array([[50, 1, 0, np.nan], [51, 0, 0, 200]], dtype=np.float32))


def test_read_features_expects_a_header_line_even_if_the_studys_files_have_none(tmp_path: Path) -> None:
    dataset = read(tmp_path, "5,a\n6,b\n", columns=["x", "outcome"])
    other = tmp_path / "new.csv"
    other.write_text("x\n7\n")
    settings = DataSettings(name="csv", path="t.csv", label="outcome", columns=("x", "outcome"))
    assert read_features(other, dataset.columns, settings).tolist() == [[7.0]]


@pytest.mark.parametrize(
    ("text", "message"), [("age,chol\n1,2\n", "no column 'sex'"), ("age,sex,chol\nx,m,2\n", "numbers")]
)
def test_read_features_refuses_other_records(tmp_path: Path, text: str, message: str) -> None:
    other = tmp_path / "new.csv"
    other.write_text(text)
    with pytest.raises(DataError, match=message):
        read_features(other, ("age", "sex=m", "chol"), DataSettings(name="csv", path="t.csv", label="y"))


def test_heart_disease_of_four_hospitals(medical: Callable[[str], Path]) -> None:
    medical("heart_disease_4hospitals")
    names = (
        "age",
        "sex",
        "cp",
        "trestbps",
        "chol",
        "fbs",
        "restecg",
        "thalach",
        "exang",
        "oldpeak",
        "slope",
        "ca",
        "thal",
    )
    sites = ("cleveland", "hungarian", "switzerland", "va")
    settings = DataSettings(
        name="csv",
        path=tuple(f"heart_disease_4hospitals/processed.{site}.data" for site in sites),
        columns=(*names, "num"),
        label="num",
        positive=("1", "2", "3", "4"),
        missing=("?",),
        zero_missing=("chol", "trestbps"),
        column="file",
        partition="column",
    )
    dataset = load(settings)
    assert dataset.sites is not None
    found = {site: dataset.labels[dataset.sites == f"processed.{site}"] for site in sites}
    # Records and ill ones a hospital, as in the data's own description.
    assert [(len(labels), int(labels.sum())) for labels in found.values()] == [
        (303, 139),
        (294, 106),
        (123, 115),
        (200, 149),
    ]
    assert dataset.shape == (13,)
    assert np.isnan(dataset.features[dataset.sites == "processed.switzerland", 4]).all()
