.PHONY: demo up down
DEMO_CONFIG ?= local/demo.yaml

demo: setup ## The whole path of a task on this machine, without AWS, GPU or Docker: ends with pictures
	@$(RUN)python -m local demo --config $(DEMO_CONFIG)

up: setup ## The same pipeline in the background, for `generator submit`
	@$(RUN)python -m local up --config $(DEMO_CONFIG)

down: ## End what `make up` started
	@$(RUN)python -m local down
