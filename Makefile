# make demo, make test and make lint each work alone on a machine that has python3 (3.10 to 3.13), make and a
# network to the Python package index. They share one environment, .venv, with the versions pinned in
# Testing/requirements.txt. A stamp named after the checksum of what was installed makes a second call skip it.
#
#   make demo VOLUME=scan.nrrd MODEL=cardiac-cine-mr-1.4.0    the user's own volume (file or DICOM folder)
#   make test TESTS=Testing/engine PYTEST_ARGS="-k geometry"  some of the tests
#   make install PYTHON=python3.12 PIP_ARGS="..."             another interpreter, further options for pip

PYTHON ?= python3
VENV ?= .venv
PIP_ARGS ?=
PYTEST_ARGS ?=
JOBS ?= 2
TESTS ?= Testing
VOLUME ?=
MODEL ?=
DEMO ?= demo
DATA ?= ../shared/data
WALKTHROUGH ?= runs/walkthrough
PICTURES ?= runs/pictures
HARD ?= runs/hard.tsv
MINUTES ?= 6

BIN := $(VENV)/bin
REQUIREMENTS := Testing/requirements.txt pyproject.toml
STAMP := $(VENV)/.installed-$(shell cat $(REQUIREMENTS) | cksum | tr ' ' '-')

CHECK := import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13) and "Python 3.10 to 3.13 is needed; PYTHON=... chooses one.")

# Neither Qt nor VTK may look for a display.
export QT_QPA_PLATFORM ?= offscreen
export PYTHONUTF8 = 1

.PHONY: bench install demo screenshot pictures walkthrough test hard lint clean

install: $(STAMP)

$(STAMP):
	@test -x $(BIN)/python || { $(PYTHON) -c '$(CHECK)' && $(PYTHON) -m venv $(VENV); }
	@echo "Installing the pinned packages into $(VENV); the first time takes some minutes."
	$(BIN)/python -m pip install --disable-pip-version-check -q $(PIP_ARGS) -r Testing/requirements.txt
	$(BIN)/python -m pip install --disable-pip-version-check -q --no-deps --no-build-isolation -e .
	rm -f $(VENV)/.installed-*
	touch $@

demo: install
	PYTHONPATH=Testing:CMAformerSegmentation $(BIN)/python -m demo.demo --output "$(DEMO)" $(if $(VOLUME),--volume "$(VOLUME)") $(if $(MODEL),--model "$(MODEL)")

# The picture in the README: the synthetic heart, segmented by the bundled model; and the heart as Sample Data shows it.
screenshot: install
	PYTHONPATH=Testing:CMAformerSegmentation $(BIN)/python -m demo.demo --output "$(DEMO)" --overview Resources/Screenshots/overview.jpg
	PYTHONPATH=Testing:CMAformerSegmentation $(BIN)/python -m demo.thumbnail CMAformerSegmentation/Resources/Icons

# The states of the panel in the README: the first run on five computers, several volumes, light and dark style.
pictures: install
	CMAFORMER_SCREENSHOTS="$(PICTURES)" $(BIN)/python -m pytest -q Testing/module/computer/test_computer_card.py Testing/module/batches/test_batch_panel.py
	$(BIN)/python Testing/walkthrough/looks.py --out "$(PICTURES)"
	$(BIN)/python Testing/walkthrough/montage.py Resources/Screenshots/styles.png $(foreach style,light dark,"$(PICTURES)/looks-$(style).png")
	$(BIN)/python Testing/walkthrough/montage.py Resources/Screenshots/first-run.png $(foreach state,nothing installing offline gpu-fails cpu,"$(PICTURES)/first-run-$(state).png")
	$(BIN)/python Testing/walkthrough/montage.py Resources/Screenshots/several-volumes.png $(foreach state,scene running folder-done sequence-done,"$(PICTURES)/batch-$(state).png")

# The panel as a clinician drives it, with the real engine: pictures of each state, and the one in the README. Fine-tuning
# needs real images (DATA) and some minutes.
walkthrough: install
	OMP_NUM_THREADS=1 $(BIN)/python Testing/walkthrough/segment.py --out "$(WALKTHROUGH)"
	OMP_NUM_THREADS=1 $(BIN)/python Testing/walkthrough/fine_tune.py --data "$(DATA)" --out "$(WALKTHROUGH)" --minutes $(MINUTES)

# Two processes, a file of tests in one of them; each computes with one thread. JOBS=0 is one process.
test: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(TESTS) -n $(JOBS) --dist loadfile $(PYTEST_ARGS)

# Many more of the generated cases, kills and full disks of Testing/hard, and what became of them as a table.
hard: install
	rm -f "$(HARD)"
	HARD_TALLY="$(abspath $(HARD))" OMP_NUM_THREADS=1 $(BIN)/python -m pytest Testing/hard -n $(JOBS) -q $(PYTEST_ARGS)
	$(BIN)/python Testing/hard/table.py "$(HARD)"

# What the engine costs beside the bare network and networks of MONAI, about 15 minutes; nothing else should run.
bench: install
	$(BIN)/python -m pip install -q einops==0.8.2
	OMP_NUM_THREADS=1 $(BIN)/python Testing/benchmarks/bench.py

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf "$(DEMO)" build dist .pytest_cache .mypy_cache .ruff_cache CMAformerSegmentation/*.egg-info
	find CMAformerSegmentation Testing -name __pycache__ -type d -prune -exec rm -rf {} +
