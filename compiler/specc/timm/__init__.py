"""Asks timm about its models; no other code of the compiler imports timm."""
