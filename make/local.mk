.PHONY: up down
DEMO_CONFIG ?= local/demo.yaml

ifdef LOCKED
.cache/ministack/made-from: local/ministack.txt $(VENV)/.done
	@echo "setting up the AWS emulator in .cache/ministack (first time: about 20 seconds)" >&2
	@$(RUN)python -c 'from local import emulator; emulator.install()'
	@touch $@
endif

up: setup .cache/ministack/made-from ## Start the pipeline of make demo in the background, for `generator submit`
	@$(RUN)python -m local up --config "$(DEMO_CONFIG)"

down: setup ## Stop what `make up` started
	@$(RUN)python -m local down
