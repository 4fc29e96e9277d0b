"""A proof of concept: a whole consortium as separate processes on this machine, provisioned as in production."""
