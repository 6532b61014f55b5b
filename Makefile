# Python >= 3.11 with venv, and Rust >= 1.89 with a linker, are enough for `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
TRAIN_VENV := .venv-train
BENCH_VENV := .venv-bench
OLDEST_VENV := .venv-oldest
DOCS_VENV := .venv-docs
BROWSER_VENV := .venv-browser
EXTRAS_VENV := .venv-extras
BIN := $(VENV)/bin
TRAIN_BIN := $(TRAIN_VENV)/bin
WHEEL := build/wheel/built
# Without what compares the core with an oracle for minutes, and what looks at imports: neither knows a library.
ENDS := tests/unit tests/contract --ignore tests/contract/test_align_oracle.py --ignore tests/unit/test_contracts.py
# A process a core, a file of tests to one of them: what a file prepares is prepared once.
SIDE_BY_SIDE := -n auto --dist loadfile
PACKAGE := $(shell find python -type f -not -name '*.so' -not -name '*.pyc')
# The record of the model files is built into the core.
RUST := Cargo.toml Cargo.lock python/faceid_fast/models/models.json $(shell find rust -name '*.rs' -o -name Cargo.toml)
PIP := -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo check test test-privacy test-crash test-ends test-oldest wheel-check lint fuzz bench bench-frames \
	bench-cameras bench-smoke report-browser train-smoke docs docs-serve notebook format lock clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

demo: $(VENV)/built  ## build, then enrol and unlock with bundled renders
	$(BIN)/faceid demo --out demo/unlock.png

# What is slow, or rarely breaks: campaigns, real captures, examples, the import rules one by one.
check: lint  ## for everyday work: formatting, linters, types, import rules, the fast tests (three minutes)
	$(BIN)/python -m pytest -q $(SIDE_BY_SIDE) -m 'not slow' tests/unit tests/property

# Not the binding: its tests would link libpython, and pytest runs it anyway.
test: $(VENV)/built  ## build, then all tests of the package, Rust and Python
	cargo test -p faceid-core --locked
	$(BIN)/python -m pytest $(SIDE_BY_SIDE)

test-crash: $(VENV)/built  ## kills, faults, power losses, tampering, malformed values (LONG=--long: hours)
	$(BIN)/python -m pytest -s tests/crash $(LONG)

# Linux with strace. Every process stays for 25 seconds, most of which it sleeps.
test-privacy: $(VENV)/built $(EXTRAS_VENV)/built  ## sockets and files of every verb and every library, under strace
	$(BIN)/python -m pytest tests/privacy
	$(EXTRAS_VENV)/bin/python -m pytest tests/real/test_oak_library.py tests/real/test_realsense_library.py

test-ends: test-oldest $(VENV)/built  ## unit and contract tests with the oldest libraries allowed, and the newest
	$(BIN)/python -m pytest $(ENDS)

# The wheel, not this tree. Old libraries warn of what newer ones below them call old.
test-oldest: $(WHEEL) $(OLDEST_VENV)/ready  ## of those, the oldest, with OpenCV's headless build
	$(OLDEST_VENV)/bin/python $(PIP) --no-deps --no-index --force-reinstall build/wheel/*.whl
	$(OLDEST_VENV)/bin/python -m pytest -W ignore::DeprecationWarning $(ENDS)

wheel-check: $(WHEEL)  ## build wheel and source distribution, look into them, install and drive the wheel
	$(BIN)/python -m release.check_wheel build/wheel

# The galleries in the profile of tests, which is optimised too, and where an overflow is a panic.
fuzz:  ## two million damaged depth texts, five million mutated galleries and what is done with them (minutes)
	cargo test -p faceid-core --locked --release --lib -- --ignored damaged_texts
	cargo test -p faceid-core --locked --lib -- --ignored --nocapture mutated_galleries

lint: export PYO3_PYTHON := $(CURDIR)/$(BIN)/python
lint: $(VENV)/built  ## formatting, clippy, ruff, types, stub, import rules
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest faceid_fast._core
	$(BIN)/lint-imports
	$(BIN)/python -m release.third_party --check

bench: $(BENCH_VENV)/built  ## the matcher beside FAISS, numpy, usearch and scikit-learn (hours)
	$(BENCH_VENV)/bin/python -m benchmarks --markdown build/bench/matching.md --plot build/bench/figures/matching.png

bench-frames: $(VENV)/built  ## from file and frame to decision, beside OpenCV, numpy and the notebook's ways (minutes)
	$(BIN)/python -m benchmarks.frames --json build/bench/frames.json
	$(BIN)/python -m benchmarks.aligning --json build/bench/aligning.json

bench-cameras: $(VENV)/built  ## real people (DIR=FOLDER) before worse cameras: holes, noise, steps, blur (a minute)
	$(BIN)/python -m benchmarks.cameras $(DIR) --json build/bench/cameras.json

bench-smoke: $(BENCH_VENV)/built  ## a small part of it, for its answers rather than its times
	$(BENCH_VENV)/bin/python -m benchmarks --json build/bench/smoke.json --largest 1000 --dimensions 128 --threads 1
	$(BENCH_VENV)/bin/python -m benchmarks.vault --people 100 --rounds 3
	$(BENCH_VENV)/bin/python -m benchmarks.aligning --rounds 2

report-browser: $(VENV)/built $(BROWSER_VENV)/ready  ## open a page of `faceid evaluate` in Chromium, if there is one
	rm -rf build/browser
	$(BIN)/python -m tests.browser.lay_out_renders build/browser/captures
	$(BIN)/faceid evaluate build/browser/captures --html build/browser/report.html --crops
	$(BROWSER_VENV)/bin/python tests/browser/open_page.py build/browser/report.html

train-smoke: $(TRAIN_VENV)/built  ## tests of the training code, and the whole pipeline on a few heads
	$(TRAIN_BIN)/python -m pytest tests/training tests/contract/test_keras_onnx.py
	$(TRAIN_BIN)/python -m training.smoke --out build/smoke

# The theme announces the end of its own life with every build; what becomes of it is no warning of this site.
docs docs-serve: export NO_MKDOCS_2_WARNING := 1
docs: $(DOCS_VENV)/ready  ## the documentation site, below build/site; a warning is an error
	$(DOCS_VENV)/bin/python -m mkdocs build --strict
	$(DOCS_VENV)/bin/python -m docsite.offline build/site

docs-serve: $(DOCS_VENV)/ready  ## the same on this machine's port 8000, anew with every change
	$(DOCS_VENV)/bin/python -m mkdocs serve

notebook: $(DOCS_VENV)/built  ## run examples/tour.ipynb; with its pictures below build/notebook
	$(DOCS_VENV)/bin/python -m docsite.notebook

format: $(VENV)/ready  ## format everything
	cargo fmt --all
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

lock: export UV_CUSTOM_COMPILE_COMMAND := make lock
lock: UV := uv pip compile -q --generate-hashes --universal --python-version 3.11 --no-emit-index-url --no-annotate
lock:  ## pin requirements anew (needs uv)
	$(UV) --extra report pyproject.toml requirements/dev.in -o requirements/dev.txt
	$(UV) pyproject.toml --constraints requirements/dev.txt -o requirements/run.txt
	echo opencv-python | $(UV) --upgrade --resolution lowest-direct --excludes /dev/stdin \
		--extra report pyproject.toml requirements/oldest.in -o requirements/oldest.txt
	$(UV) pyproject.toml requirements/train.in -o requirements/train.txt
	$(UV) pyproject.toml requirements/bench.in -o requirements/bench.txt
	$(UV) --extra report pyproject.toml requirements/docs.in -o requirements/docs.txt
	$(UV) requirements/browser.in -o requirements/browser.txt
	$(UV) --all-extras pyproject.toml --constraints requirements/dev.txt requirements/extras.in \
		-o requirements/extras.txt

clean:  ## remove what was built
	rm -rf target build/wheel demo python/faceid_fast/_core*.so
	rm -rf $(VENV) $(TRAIN_VENV) $(BENCH_VENV) $(OLDEST_VENV) $(DOCS_VENV) $(BROWSER_VENV) $(EXTRAS_VENV)

# The environments. `maturin develop` puts the optimised core into python/, where both find it.
%/ready:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv $*
	$*/bin/python $(PIP) --require-hashes -r $(REQUIREMENTS)
	touch $@

$(VENV)/ready: REQUIREMENTS = requirements/dev.txt
$(VENV)/ready: requirements/dev.txt
$(TRAIN_VENV)/ready: REQUIREMENTS = requirements/train.txt
$(TRAIN_VENV)/ready: requirements/train.txt
$(BENCH_VENV)/ready: REQUIREMENTS = requirements/bench.txt
$(BENCH_VENV)/ready: requirements/bench.txt
$(DOCS_VENV)/ready: REQUIREMENTS = requirements/docs.txt
$(DOCS_VENV)/ready: requirements/docs.txt
$(BROWSER_VENV)/ready: REQUIREMENTS = requirements/browser.txt
$(BROWSER_VENV)/ready: requirements/browser.txt
$(EXTRAS_VENV)/ready: REQUIREMENTS = requirements/extras.txt
$(EXTRAS_VENV)/ready: requirements/extras.txt
$(OLDEST_VENV)/ready: REQUIREMENTS = requirements/oldest.txt
$(OLDEST_VENV)/ready: requirements/oldest.txt

# The wheel is built of the source distribution: what that lacks, the build would miss.
$(WHEEL): $(VENV)/ready pyproject.toml README.md LICENSE NOTICE THIRD_PARTY $(RUST) $(PACKAGE)
	rm -rf build/wheel
	CARGO_TARGET_DIR=$(CURDIR)/target PYO3_PYTHON=$(CURDIR)/$(BIN)/python \
		$(BIN)/maturin build --release --locked --quiet --sdist --out build/wheel
	touch $@

%/built: %/ready pyproject.toml $(RUST)
	VIRTUAL_ENV=$(CURDIR)/$* PYO3_PYTHON=$(CURDIR)/$*/bin/python $*/bin/maturin develop --release --locked --quiet
	touch $@
