"""How fast the model of an output folder is in each engine that can run it, measured in
processes of their own."""
