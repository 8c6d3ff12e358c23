"""How the death of an engine is known: a small process sees it end, and tells the database.

testimony                 the witness itself, a program
witnessed                 the engine's side: start a witness, keep one, send it away
"""
