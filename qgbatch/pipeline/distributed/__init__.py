"""``qgbatch run --runner ray``: the same pipeline in many processes, on one machine or a cluster.

Ray Data hands blocks of documents to a pool of workers; each holds the model, sends its
blocks through :class:`qgbatch.pipeline.stream.Stream` and writes each as a Parquet part.
"""
