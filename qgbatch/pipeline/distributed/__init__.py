"""``qgbatch run --runner ray``: the pipeline in several processes, on one machine or on a cluster.

Ray Data distributes blocks of documents to a pool of workers. Each worker loads the model once, runs
:class:`qgbatch.pipeline.stream.Stream` on its blocks and writes each block as one Parquet part. The
driver collects the counts and turns the parts into one table.
"""
