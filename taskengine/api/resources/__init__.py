"""The endpoints: one module for each resource of the contract, listed in api/app.py."""
