.PHONY: agent-test soak bench-agent agent-readme agent-image
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

agent-image: ## Build the image of the queue agent with Docker
	docker build --tag $(AGENT_IMAGE) agent
