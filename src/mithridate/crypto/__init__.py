"""Fixed point, secret sharing, envelopes, signatures and commitments. Imports nothing of Mithridate but its errors."""
