"""The API's document, made from what each resource file says of its routes."""
