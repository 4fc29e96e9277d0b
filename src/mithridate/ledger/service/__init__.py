"""The embedded chain served over JSON-RPC on loopback, so that many processes of one machine share it as a network."""
