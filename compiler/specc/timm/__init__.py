"""What timm says of its models when it is asked; the only code that imports it."""
