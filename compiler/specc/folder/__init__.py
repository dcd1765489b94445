"""All that touches the output folder: what is written, recorded, stamped and compared."""
