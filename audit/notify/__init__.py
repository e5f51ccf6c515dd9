"""Telling people: messages are rows, written with what they are about and sent from there. What an
incident or a waiver is stands elsewhere."""
