"""Emuwatch: an observability-first monitor for farms of Android emulators.

The import package is called ``monitor``; the distribution and the command are ``emuwatch``.
"""
