"""Workflows as data, and what is planned from them."""
