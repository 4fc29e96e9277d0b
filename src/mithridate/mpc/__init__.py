"""Computation on secret shares: the SPU session, the ATen interpreter, encrypted inference, projections."""
