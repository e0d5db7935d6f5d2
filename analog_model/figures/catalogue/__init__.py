"""Catalogue of figures by name, with what each is made from."""
