# Everything runs in .venv, which the first command that needs it creates; python3 and make are all it takes.
# On the command line: UPPERCASE names belong to make (below); every other name=value goes to the benchmark:
# a bare name is a field of the method, the recipe or the backbone, a dotted one a Hydra override.

METHOD ?= lora
SEEDS  ?= 0,1,2
TASKS  ?=
TASK   ?=
TRIALS ?= 32
TUNED  ?=
SHOTS  ?= 1,2,4,8,16
PYTHON ?= python3
DATA   ?=
RUNS   ?=
DRY    ?=
RETRY  ?=
SAVE   ?=
ORACLE ?=
WANDB  ?=
TENSORBOARD ?=
SETTING ?=
FORMAT ?= md
STANDALONE ?=
FROM   ?=
KNOWN  := METHOD SEEDS TASKS TASK TRIALS TUNED SHOTS PYTHON DATA RUNS DRY RETRY SAVE ORACLE WANDB TENSORBOARD SETTING FROM

VENV   := .venv
PY     := $(VENV)/bin/python
READY  := $(VENV)/.ready

export VISIONPEFT_DATA := $(or $(DATA),$(VISIONPEFT_DATA))
export VISIONPEFT_RUNS := $(or $(RUNS),$(VISIONPEFT_RUNS),runs)

quoted = '$(subst ','\'',$(1))'
# make writes a blank inside a value as backslash-blank; what is left over goes on, quoted for the shell
blank := $(subst ,, )
_given  = $(filter-out $(addsuffix =%,$(KNOWN)),$(subst \$(blank),<blank>,$(MAKEOVERRIDES)))
_extra  = $(foreach word,$(_given),$(call quoted,$(subst <blank>,$(blank),$(word))))
_on     = $(filter-out 0 false no,$(1))
_flags  = $(if $(call _on,$(DRY)),dry=true) $(if $(call _on,$(RETRY)),retry=true) $(if $(call _on,$(SAVE)),save=true) $(if $(call _on,$(ORACLE)),oracle=true) $(if $(WANDB),$(call quoted,wandb=$(WANDB))) $(if $(call _on,$(TENSORBOARD)),tensorboard=true) $(if $(call _on,$(TUNED)),per_task=tuned)
# the tasks of a suite: all of them, those whose data is there (TASKS=available), or the named ones, perhaps with *
_named  = $(if $(findstring *,$(TASKS)),glob([$(TASKS)]),$(TASKS))
_tasks  = $(if $(filter-out available,$(TASKS)),$(call quoted,task=$(_named)),'task=glob($(or $(2),$(1)_*))') $(if $(filter available,$(TASKS)),available=true)
comma := ,
_shots  = [$(subst $(blank),$(comma),$(patsubst %,fewshot_*_k%,$(subst $(comma), ,$(SHOTS))))]
# 256 pixels of which the middle is shown, as NOAH does, unless another size is asked for
FEWSHOT = $(if $(filter recipe=%,$(_given)),,recipe=fewshot) $(if $(filter resize=% backbone=vit_pico,$(_given)),,resize=256)
TUNING = $(if $(filter mini%,$(TASK)),$(if $(filter backbone=%,$(_given)),,backbone=vit_pico)) $(if $(filter fewshot% dg%,$(TASK)),$(FEWSHOT))
DEMO   = backbone=vit_pico recipe=demo seed=0 'task=mini_digits,mini_tissue,mini_location'
_run    = $(PY) -m visionpeft.benchmark -m $(call quoted,method=$(METHOD)) $(call quoted,seed=$(SEEDS)) $(_flags) $(1) $(_extra)
# a failed run (exit 1) does not keep the others from their table; a refused command (2) does; a refused table is told
then_board = $(1); code=$$?; test $$code -gt 1 || $(or $(call _board),true) || { board=$$?; test $$code -gt 0 || code=$$board; }; exit $$code
_board  = $(if $(call _on,$(DRY)),,$(PY) -m visionpeft.reports.leaderboard "$$VISIONPEFT_RUNS" --published $(if $(WANDB),--wandb $(call quoted,$(WANDB))))

.PHONY: help setup list data demo mini vtab fewshot dg tune leaderboard table export figures merge check-records test lint types check clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'
	@echo '  e.g. make vtab METHOD=glora DATA=/data SEEDS=0,1,2    make mini METHOD=lora rank=16 SEEDS=0'

setup: $(READY) ## create .venv with the locked packages

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --require-hashes --requirement requirements.lock
	$(PY) -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

list: $(READY) ## methods, tasks, recipes, backbones
	@$(PY) -m visionpeft.benchmark list

data: $(READY) ## get and check data sets: make data TASK=vtab_eurosat (or SUITE=vtab) DATA=<folder> TERMS=accept [SOURCE=tfds]
	@$(PY) -m visionpeft.benchmark data $(if $(TASK),$(call quoted,task=$(TASK))) $(_extra)

demo: $(READY) ## the main job on the embedded default: four methods, three tasks, short schedules, a leaderboard
	$(PY) -m visionpeft.benchmark -m 'method=linear,bitfit,lora' $(DEMO) $(_flags)
	$(PY) -m visionpeft.benchmark -m method=glora supernet_epochs=10 generations=3 population=20 parents=5 mutants=10 crossovers=10 $(DEMO) $(_flags)
	$(call _board)

mini: $(READY) ## the embedded suite in full: make mini METHOD=lora
	@$(call then_board,$(call _run,$(call _tasks,mini) $(if $(filter backbone=%,$(_given)),,backbone=vit_pico)))

vtab: $(READY) ## the 19 VTAB-1k tasks: make vtab METHOD=glora DATA=<folder>
	@$(call then_board,$(call _run,$(call _tasks,vtab)))

fewshot: $(READY) ## five data sets, NOAH's lists and recipe: make fewshot METHOD=glora SHOTS=1,2,4,8,16 DATA=<folder>
	@$(call then_board,$(call _run,$(call _tasks,fewshot,$(_shots)) $(FEWSHOT)))

dg: $(READY) ## learnt in one domain, tested in others: make dg METHOD=lora TASKS='dg_pacs_*' DATA=<folder>
	@$(call then_board,$(call _run,$(call _tasks,dg) $(FEWSHOT)))

tune: $(READY) ## choose settings on train800/val200: make tune METHOD=lora TASK=vtab_dtd TRIALS=32; then make vtab TUNED=1
	@$(PY) -m visionpeft.benchmark tune -m $(call quoted,method=$(METHOD)) $(call quoted,task=$(if $(findstring *,$(TASK)),glob([$(TASK)]),$(TASK))) $(call quoted,trials=$(TRIALS)) $(_flags) $(TUNING) $(_extra)
	@$(if $(call _on,$(DRY)),,$(PY) -m visionpeft.reports.budget "$$VISIONPEFT_RUNS")

leaderboard: $(READY) ## page, Markdown and CSV tables from all records; WANDB=offline|online also logs them
	@$(call _board)

table: $(READY) ## the tables on standard output: make -s table FORMAT=latex|md|csv SUITE=vtab STANDALONE=1 > t.tex
	@$(PY) -m visionpeft.reports.show "$$VISIONPEFT_RUNS" --format $(call quoted,$(FORMAT)) $(if $(SUITE),--suite $(call quoted,$(SUITE))) $(if $(call _on,$(STANDALONE)),--standalone)

export: $(READY) ## all records as one flat table for pandas: RUNS/records.parquet
	@$(PY) -m visionpeft.reports.flat "$$VISIONPEFT_RUNS"

figures: $(READY) ## the leaderboard's charts as PNG, SVG, PDF and CSV; what a search chose: make figures METHOD=glora
	@$(PY) -m visionpeft.reports.figures "$$VISIONPEFT_RUNS" $(if $(filter file,$(origin METHOD)),,--method $(call quoted,$(METHOD))) $(if $(SETTING),--setting $(call quoted,$(SETTING)))

merge: $(READY) ## unite stores: make merge FROM=<another store> RUNS=<the store it comes to>
	@$(if $(FROM),,$(error make merge needs FROM=<another store>))$(PY) -m visionpeft.benchmark.unite $(call quoted,$(FROM)) --into "$$VISIONPEFT_RUNS"

check-records: $(READY) ## what is wrong with the records of a store, or needs a look: make check-records RUNS=<store>
	@$(PY) -m visionpeft.reports.check "$$VISIONPEFT_RUNS" --pinned data/splits/digests.csv

test: $(READY) ## all tests
	$(PY) -m pytest -q -n 2

lint: $(READY) ## ruff
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

types: $(READY) ## mypy, over links because type checkers do not see through an editable install
	@mkdir -p build/types/visionpeft && cd build/types/visionpeft && for d in benchmark methods data reports; do ln -sfn ../../../$$d $$d; done
	MYPYPATH=build/types $(PY) -m mypy --explicit-package-bases -p visionpeft.benchmark -p visionpeft.methods -p visionpeft.data -p visionpeft.reports

check: lint types test ## what has to pass before a commit

clean: ## remove the environment and what tools left behind; records stay
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache
