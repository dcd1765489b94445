"""The commands of `specc`, called once the command line has read its flags."""
