"""All that touches the output folder: writing, recording, stamping and comparing."""
