.PHONY: agent-test soak bench-agent agent-readme agent-lock agent-image
SOAK_TASKS ?= 2000
AGENT_IMAGE ?= sd-on-eks/queue-agent:0.1.0

agent-test: setup ## Run the tests of the queue agent
	$(RUN)pytest tests/agent -n auto

soak: setup ## Run 2,000 tasks through four agents with random faults: none lost, none run twice (SEED= repeats a run)
	$(RUN)python -m bench.soak --tasks $(SOAK_TASKS) $(if $(SEED),--seed $(SEED))

bench-agent: setup ## Measure GPU utilization with the agent, compared with a sequential loop in the same run
	$(RUN)python -m bench.agent

agent-readme: setup ## Write the tables in agent/README.md from the code
	$(RUN)python agent/readme.py

agent-lock: setup ## Write agent/requirements.lock: every package of the agent's image with its hash
	$(RUN)pip install --quiet --disable-pip-version-check 'uv>=0.5,<1'
	$(RUN)uv pip compile --quiet --universal --python-version 3.12 --generate-hashes --extra tracing \
	  --custom-compile-command 'make agent-lock' --output-file agent/requirements.lock agent/pyproject.toml

agent-image: ## Build the image of the queue agent with Docker
	docker build --tag $(AGENT_IMAGE) agent
