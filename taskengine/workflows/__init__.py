"""Workflow files: read, checked, and turned into what a job runs. Pure: no store, no HTTP.

library      all workflow files, with every problem at its file and line
yaml_reader  YAML, read strictly
checks       what a file has to be
workflow     a workflow as data; a job keeps it as its definition
parameters   what a client submits, coerced, completed and validated by the workflow's schema
schemas      JSON Schemas in words, and which values are secret
scope        what templates see
templates    the `{{ … }}` expressions; `sandbox` is where they are evaluated
"""
