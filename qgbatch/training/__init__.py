"""Training and evaluation of models: ``qgbatch finetune``, ``dataset`` and ``evaluate``."""
