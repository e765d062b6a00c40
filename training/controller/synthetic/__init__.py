"""Conversations about pictures that were never drawn: boxes without pixels, and experts that know them."""
