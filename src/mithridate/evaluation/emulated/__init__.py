"""A round over emulated networks beside what the local runtime predicts of it."""
