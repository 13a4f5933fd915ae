# One vocabulary for people, hooks and CI. Needs an activated virtual environment.
.PHONY: setup fmt check test faults bench build

setup:
	python -m pip install -c constraints.txt -e '.[dev]'

fmt:
	ruff format .
	ruff check --fix .

check:
	ruff format --check .
	ruff check .
	mypy

test:
	python -m pytest

faults:
	python -m pytest -m faults

bench:
	python benchmarks/throughput.py
	python benchmarks/memory.py
	python benchmarks/rerun.py

build:
	python -m build
