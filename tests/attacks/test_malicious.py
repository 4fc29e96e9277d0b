import numpy as np

from mithridate.attacks import Attack, Malice, parse_attack
from mithridate.data.dataset import Dataset

UPDATE = np.arange(1.0, 5.0)
DATA = Dataset(np.zeros((40, 1), np.float32), np.zeros(40, np.int64), ("a", "b"), "table")


def attack(name: str, hospitals: list[int], **keys: object) -> Attack:
    return parse_attack({"name": name, "hospitals": hospitals, **keys})


def test_an_honest_hospital_passes_through() -> None:
    malice = Malice([attack("scaling", [1]), attack("label_flip", [1])], hospital=0, seed=0)
    assert malice.update(UPDATE, 1) is UPDATE
    assert malice.data(DATA, 1) is DATA


def test_attacks_on_one_hospital_act_in_the_studys_order() -> None:
    add, scale = attack("gaussian", [0], variant="add", deviation=1.0), attack("scaling", [0], gamma=10.0)
    noise = Malice([add], 0, 7).update(UPDATE, 1) - UPDATE
    np.testing.assert_allclose(Malice([add, scale], 0, 7).update(UPDATE, 1), 10 * (UPDATE + noise))
    later = Malice([scale, add], 0, 7).update(UPDATE, 1)
    assert not np.allclose(later, 10 * (UPDATE + noise))
    assert np.abs(later - 10 * UPDATE).max() < 5.0


def test_an_attack_starts_in_its_round() -> None:
    malice = Malice([attack("scaling", [0], from_round=3), attack("label_flip", [0], from_round=2)], 0, 0)
    assert [malice.update(UPDATE, number)[0] for number in (1, 2, 3, 4)] == [1.0, 1.0, 10.0, 10.0]
    assert [int(malice.data(DATA, number).labels.sum()) for number in (1, 2, 3)] == [0, 40, 40]


def test_flipped_records_are_the_same_in_every_round_and_noise_is_not() -> None:
    malice = Malice([attack("label_flip", [0], share=0.5), attack("gaussian", [0], deviation=1.0)], 0, 0)
    np.testing.assert_array_equal(malice.data(DATA, 1).labels, malice.data(DATA, 2).labels)
    assert not np.array_equal(malice.update(UPDATE, 1), malice.update(UPDATE, 2))
    np.testing.assert_array_equal(malice.update(UPDATE, 1), malice.update(UPDATE, 1))


def test_hospitals_and_seeds_draw_independently() -> None:
    noisy = [attack("gaussian", [0, 1], deviation=1.0)]
    one, neighbour, reseeded = (Malice(noisy, *pair).update(UPDATE, 1) for pair in ((0, 0), (1, 0), (0, 1)))
    assert not np.allclose(one, neighbour)
    assert not np.allclose(one, reseeded)
