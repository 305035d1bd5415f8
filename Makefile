# make demo    run everything on a made-up population, or Hospital VBP on official files: make demo DATA=folder PERIOD=FY2024
# make test    check style, types, layers and docs, and run all tests
# Each sets up everything it needs.
PERIOD ?= FY2024
OUT ?= demo
BIN = .venv/bin
INPUTS = pyproject.toml constraints.txt scripts/set-up

.PHONY: demo test docs benchmark clean

demo: .venv/ready-to-run
ifdef DATA
	$(BIN)/openvbp run hvbp --period $(PERIOD) --data $(DATA) --out $(OUT)/$(PERIOD)
else
	$(BIN)/openvbp demo --period $(PERIOD) --out $(OUT)
endif

test: .venv/ready-to-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports --no-cache
	$(BIN)/pytest -n 2 --dist loadgroup

docs: .venv/ready-to-test
	$(BIN)/python docs/generate.py
	$(BIN)/zensical build

benchmark: .venv/ready-to-test
	$(BIN)/python benchmarks/hvbp.py $(DATA)

.venv/ready-to-%: $(INPUTS)
	scripts/set-up $*

clean:
	rm -rf .venv demo site
