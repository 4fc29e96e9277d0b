"""How a consortium of processes stands faults: what is killed, when, and what became of the study."""
