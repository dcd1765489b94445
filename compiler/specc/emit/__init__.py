"""From a plan to text: fills templates in, finds parts and imports, formats; decides
nothing."""
