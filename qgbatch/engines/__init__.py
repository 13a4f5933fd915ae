"""Runs models on batches of token ids, with PyTorch or CTranslate2."""
