"""The actors: agents in nurseries that talk by mail; the truth is in the store."""
