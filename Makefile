# One vocabulary for people, hooks and CI. Needs an activated virtual environment.
.PHONY: setup fmt check test faults docs screenshots bench build

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
	python -m pytest -m faults --timeout 1800

docs:
	NO_MKDOCS_2_WARNING=1 python -m mkdocs build --strict

screenshots:
	python docs/screenshots.py

bench:
	for model in small t5-small t5-base; do python benchmarks/throughput.py --model $$model || exit; done
	for name in stages tuning dedupe scale startup sharing allocator rerun review_page distributed cluster; do python benchmarks/$$name.py || exit; done

build:
	python -m build
