"""What each command of `specc` does, once the command line has read its flags."""
