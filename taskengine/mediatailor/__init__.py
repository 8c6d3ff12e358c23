"""Channels of AWS Elemental MediaTailor, as the mediatailor workflows assemble and switch them.

`service` speaks the service's REST API by its own model, `lineup` says what a channel is to hold,
`channel` brings a channel there.
"""
