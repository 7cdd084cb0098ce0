# Every target sets itself up: a virtual environment in .venv, or in $STREAMER_VENV so that checkouts can share one.
# Developers' extras (`make test`, `make check`) are added to it on first use.

STREAMER_VENV ?= $(CURDIR)/.venv
BIN = $(STREAMER_VENV)/bin

.PHONY: demo test check format clean

demo:
	@.ci/venv "$(STREAMER_VENV)" run
	@$(BIN)/streamer demo

test:
	@.ci/venv "$(STREAMER_VENV)" dev
	@$(BIN)/python -m pytest $(ARGS)

check:
	@.ci/venv "$(STREAMER_VENV)" dev
	@.ci/check "$(STREAMER_VENV)"

format:
	@.ci/venv "$(STREAMER_VENV)" dev
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean:
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
