"""Running a participant: is it fit to start, how is it doing, and what survives the loss of its machine."""
