"""Machinery that breaks runs on purpose: a small world, fuses that stop a run at its n-th effect, a proxy with faults, and the oracle."""
