.PHONY: e2e e2e-tools cluster-local docs bench-scaling
E2E ?= tests/e2e
e2e-tools: setup
	@$(RUN)pip install --quiet --disable-pip-version-check -e '.[e2e]'
	@$(RUN)python tests/e2e/tools/build.py

e2e: e2e-tools .cache/ministack/made-from ## Run what the charts render on a real API server, KEDA and Karpenter (needs Go, for the build)
	$(RUN)pytest $(E2E)

cluster-local: e2e-tools .cache/ministack/made-from ## A control plane on loopback to play with; prints its KUBECONFIG, ends with Ctrl-C
	@$(RUN)python -m testing.cluster.play

docs: e2e-tools .cache/ministack/made-from ## Run the burst scenario; its picture and numbers go into docs/scaling.md and the READMEs
	$(RUN)pytest tests/e2e/test_burst.py
	$(RUN)python -m testing.cluster.page


bench-scaling: e2e-tools .cache/ministack/made-from ## Our scaling defaults against the reference system's, same arrivals; about 20 minutes
	@$(RUN)python -m bench.scaling --page
