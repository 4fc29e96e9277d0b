"""The contracts' functions as the interface's methods, one file a concern."""
