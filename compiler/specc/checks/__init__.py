"""What is wrong with a job: a function a rule, whose docstring states the rule."""
