.PHONY: install test quick lint types docs
install:
	python -m pip install -c constraints.txt torch
	python -m pip install -c constraints.txt -e '.[dev]'
test:
	python -m pytest -m "not gpu"
quick:
	python -m pytest -m "not gpu and not slow"
lint:
	ruff check . && ruff check --preview --select PLW1514 . && ruff format --check . && typos
types:
	mypy
# The documentation, into site/; `python -m http.server -d site` shows it.
docs:
	python docs/make_results.py
	NO_MKDOCS_2_WARNING=1 python -m mkdocs build --strict
