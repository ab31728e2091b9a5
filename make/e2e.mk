.PHONY: e2e e2e-tools cluster-local docs bench-scaling bench-node-pools
E2E ?= tests/e2e
e2e-tools: setup
	@$(PIP) --require-hashes --no-deps -r requirements/e2e.lock
	@$(RUN)python tests/e2e/tools/build.py

e2e: e2e-tools .cache/ministack/made-from ## Run the rendered charts on a real API server, KEDA and Karpenter (needs Go to build them)
	$(RUN)pytest $(E2E)

cluster-local: e2e-tools .cache/ministack/made-from ## Start a control plane on loopback to experiment with; prints its KUBECONFIG, stops on Ctrl-C
	@$(RUN)python -m testing.cluster.interactive

docs: e2e-tools .cache/ministack/made-from ## Run the burst scenario and write its chart and numbers into docs/scaling.md and the READMEs
	$(RUN)pytest tests/e2e/test_burst.py
	$(RUN)python -m testing.cluster.page

bench-scaling: e2e-tools .cache/ministack/made-from ## Compare the scaling defaults with those of the reference system, and own node pools with a shared one; about 45 minutes
	@$(RUN)python -m bench.scaling $(if $(TRACE),--trace "$(TRACE)",--page)
	@$(if $(TRACE),,$(MAKE) --no-print-directory bench-node-pools)

bench-node-pools: e2e-tools .cache/ministack/made-from ## Only the second part of bench-scaling; about 20 minutes
	@$(RUN)python -m bench.scaling_pools --page
