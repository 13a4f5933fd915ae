"""Exports: converts the output of ``qgbatch run`` to the formats of other tools.

Each format has one module, whose ``FORMAT`` describes it. :mod:`qgbatch.exports.export` lists
the formats. The subpackage :mod:`qgbatch.exports.report` writes an HTML page instead.
"""
