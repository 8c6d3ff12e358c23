"""The API's document, made from what each resource says of its routes.

operation                   what a resource says of a route
document, writer            the whole, and one operation of it
answers, bodies, listing    schemas that several resources share
workflows, lenient          the parameters of each workflow, as clients may send them
"""
