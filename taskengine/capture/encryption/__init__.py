"""Encrypted media, opened: keys, and what of which sample is encrypted with them.

Common encryption in MP4 (ISO/IEC 23001-7, with PIFF, its forerunner) and Apple's sample encryption
of MPEG-TS. Everything is done in place: no box and no packet moves, what is no longer true of a
file becomes free space.
"""
