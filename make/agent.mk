.PHONY: agent-test soak bench-agent agent-readme agent-lock agent-image
SOAK_TASKS ?= 2000
AGENT_IMAGE ?= sd-on-eks/queue-agent:0.1.0

agent-test: setup ## The queue agent's tests
	$(RUN)pytest tests/agent -n auto

soak: setup ## 2,000 tasks through four agents with faults at random: none lost, none twice (SEED= repeats one)
	$(RUN)python -m bench.soak --tasks $(SOAK_TASKS) $(if $(SEED),--seed $(SEED))

bench-agent: setup ## How busy the agent keeps a GPU, against a sequential loop in the same run
	$(RUN)python -m bench.agent

agent-readme: setup ## The tables in agent/README.md, from the code
	$(RUN)python agent/readme.py

agent-lock: setup ## agent/requirements.lock: every package of the image with its hash
	$(RUN)pip install --quiet --disable-pip-version-check 'uv>=0.5,<1'
	$(RUN)uv pip compile --quiet --universal --python-version 3.12 --generate-hashes --extra tracing \
	  --custom-compile-command 'make agent-lock' --output-file agent/requirements.lock agent/pyproject.toml

agent-image: ## The image of the queue agent, with Docker
	docker build --tag $(AGENT_IMAGE) agent
