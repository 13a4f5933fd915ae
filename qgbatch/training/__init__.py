"""What is needed to make a model, rather than to run one: data, training, figures."""
