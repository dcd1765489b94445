"""Turns a plan into text: fills templates in, finds parts and imports, formats. No
decision is taken here."""
