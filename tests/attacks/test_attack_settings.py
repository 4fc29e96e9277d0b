import pytest
from pydantic import ValidationError

from mithridate.attacks import attacks, parse_attack

REFUSED = [
    ({"name": "gaussian"}, "deviation"),
    ({"name": "gaussian", "deviation": 1.0, "norm_multiple": 1.0}, "deviation"),
    ({"name": "gaussian", "deviation": 0.0}, "deviation"),
    ({"name": "label_flip", "share": 0.0}, "share"),
    ({"name": "label_flip", "variant": "targeted", "source": 1}, "target"),
    ({"name": "label_flip", "variant": "targeted", "source": 1, "target": 1}, "target"),
    ({"name": "label_flip", "target": 1}, "target"),
    ({"name": "scaling", "gamma": -1.0}, "gamma"),
    ({"name": "scaling", "gamma": float("inf")}, "gamma"),
    ({"name": "scaling", "scale": 2.0}, "scale"),
    ({"name": "sign_flip", "gamma": 2.0}, "gamma"),
    ({"name": "scaling", "from_round": 0}, "from_round"),
    ({"name": "scaling", "hospitals": 3}, "hospitals"),
    ({"name": "Scaling"}, "name"),
    ({"name": ["scaling"]}, "name"),
    ({"hospitals": [0]}, "name"),
]


@pytest.mark.parametrize(("entry", "key"), REFUSED)
def test_a_parameter_that_is_unknown_or_out_of_range_is_named(entry: dict[str, object], key: str) -> None:
    with pytest.raises(ValidationError) as caught:
        parse_attack({"hospitals": [0], **entry})
    assert [error["loc"][0] for error in caught.value.errors()] == [key]


@pytest.mark.parametrize("entry", [None, 3, "scaling", ["scaling"]])
def test_an_entry_that_is_no_table(entry: object) -> None:
    with pytest.raises(ValidationError):
        parse_attack(entry)


@pytest.mark.parametrize("name", list(attacks))
def test_every_parameter_says_what_it_is(name: str) -> None:
    assert all(field.description for field in attacks.get(name).model_fields.values())


def test_a_parsed_attack_passes_through() -> None:
    attack = parse_attack({"name": "scaling", "hospitals": [0]})
    assert parse_attack(attack) is attack
