"""Media work: processes and formats, no jobs.

probe, conform, captions, properties, tracks    from source files to tracks
packager, streams, aes, ism, building, sets     from tracks to sets of manifests
naming, switching                               the names of manifests, and which are active
keys                                            content keys, and where they are kept
mp4, thumbnail, sample                          what else is made
tools, ffmpeg                                   the programs that do it
"""
