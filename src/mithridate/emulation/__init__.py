"""Networks between machines, emulated on one: a network namespace a participant, and a switch of ours between them."""
