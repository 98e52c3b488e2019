"""Vector stores: base.py is the contract, memory.py the reference, one more file for each variant."""
