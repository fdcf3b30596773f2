# make demo and make test each do all set-up on a fresh machine; PYTHON and TORCH may be set, for example
#   make demo TORCH=torch==2.13.0
PYTHON ?= python3
TORCH ?= torch
VENV ?= .venv
BIN := $(VENV)/bin
JOBS ?= 2

.PHONY: setup demo check test slow docs bench bench-quality bench-heads bench-studies clean

$(VENV)/.core: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet "$(TORCH)"
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.test: $(VENV)/.core
	$(BIN)/python -m pip install --quiet --editable ".[test]"
	touch $@

setup: $(VENV)/.core            ## virtual environment with histopress in it

demo: $(VENV)/.core             ## the whole path, on slides drawn for the purpose
	$(BIN)/histopress demo -o demo

check: $(VENV)/.test            ## style, types, layering law
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -q -p no:cacheprovider tests/test_architecture.py tests/test_public_names.py

test: $(VENV)/.test             ## the whole suite, in parallel, with coverage
	OMP_NUM_THREADS=1 $(BIN)/pytest -n $(JOBS) --dist worksteal -m "not slow and not gpu" --cov --cov-report=term

slow: $(VENV)/.test             ## the tests that take minutes
	$(BIN)/pytest -m slow

docs: $(VENV)/.core             ## reference pages of the verbs, made from their help
	$(BIN)/python docs/make_reference.py

bench: $(VENV)/.test            ## speed and size beside other tools: make bench DATA=folder [ARGS="--quick --only reading"]
	$(BIN)/python benchmarks/side_by_side.py --data $(DATA)/wsi/cmu-1-small-region.svs \
		--work build/bench --peers build/peers $(ARGS)
	$(BIN)/python benchmarks/simulated_pictures.py --mnist $(DATA)/mnist
	$(BIN)/python benchmarks/ncamelyon_crops.py
	$(BIN)/python benchmarks/rectangles_generator.py --mnist $(DATA)/mnist
	$(BIN)/python benchmarks/end_to_end_training.py

bench-quality: $(VENV)/.core    ## quality on real pictures: make bench-quality DATA=folder; results as JSON
	$(BIN)/python benchmarks/planted_tumour.py --data $(DATA)/oral_oscc \
		--nic $(DATA)/nic_encoder_weights/encoder_multitask-4.h5 --work build/planted

bench-heads: $(VENV)/.test      ## heads and statistics: make bench-heads DATA=folder; results as JSON, two hours
	$(BIN)/python benchmarks/coverage.py
	$(BIN)/python benchmarks/null_targets.py
	$(BIN)/python benchmarks/survival_tables.py --data $(DATA)/survival_tcga
	$(BIN)/python benchmarks/mil_classics.py --data $(DATA)/mil_classic
	$(BIN)/python benchmarks/rectangles_heads.py
	$(BIN)/python benchmarks/needles.py
	$(BIN)/python benchmarks/heads_side_by_side.py
	$(BIN)/python benchmarks/head_training.py

bench-studies: $(VENV)/.core    ## the low-signal studies at the size of two cores: make bench-studies DATA=folder; hours
	$(BIN)/python benchmarks/power_calibration.py
	$(BIN)/histopress study rectangles --mnist $(DATA)/mnist --first 10 --processes 2 -o build/studies/rectangles
	$(BIN)/histopress study nmnist --recipe nmnist-cpu --mnist $(DATA)/mnist --processes 2 -o build/studies/nmnist
	$(BIN)/histopress study nmnist --recipe nmnist-limit --mnist $(DATA)/mnist --processes 2 -o build/studies/limit

clean:
	rm -rf $(VENV) demo build dist .mypy_cache .ruff_cache .pytest_cache
