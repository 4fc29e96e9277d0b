"""The protocol's roles, the messages between them, and the runtimes that carry these."""
