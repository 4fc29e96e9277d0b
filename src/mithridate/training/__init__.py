"""Local training and evaluation in plaintext, at the hospital or on the test set."""
