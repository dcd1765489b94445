"""The plan of test_contract.py: what is tested, and the dataset that it writes."""
