"""Devices: one protocol a module. Shapes that several of them share are beside them."""
