"""Attacks of simulated malicious hospitals. Importing this package registers them."""

from mithridate.attacks import gaussian, label_flip, scaling, sign_flip
from mithridate.attacks.base import Attack
from mithridate.attacks.malicious import Malice
from mithridate.attacks.registry import attacks, parse_attack

__all__ = ["Attack", "Malice", "attacks", "gaussian", "label_flip", "parse_attack", "scaling", "sign_flip"]
