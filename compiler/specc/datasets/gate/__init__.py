"""Whether a dataset may be trained on: findings with codes, locks, views of augmentation."""
