.PHONY: preflight cluster install smoke status uninstall prices bench-preflight
# DRY_RUN=1 prints the commands, YES=1 does not ask, FLAGS reaches the command as it is.
CHANGING = $(if $(DRY_RUN),--dry-run) $(if $(YES),--yes) $(FLAGS)
preflight: setup ## Ask AWS whether the plan of CONFIG can work in its account
	$(RUN)generator preflight $(CONFIG) $(FLAGS)

cluster: setup ## Queues, buckets, HTTP API, network and EKS cluster of CONFIG
	$(RUN)generator deploy $(CONFIG) --only stack --only cluster --only network $(CHANGING)

install: setup ## Karpenter, KEDA, CSI driver and the runtimes of CONFIG, into its cluster
	$(RUN)generator deploy $(CONFIG) --only release $(CHANGING)

smoke: setup ## Send one task through the HTTP API of CONFIG and wait for its picture
	$(RUN)generator smoke $(CONFIG) $(CHANGING)

status: setup ## Queues, pods and GPU nodes of CONFIG, now
	$(RUN)generator status $(CONFIG) $(FLAGS)

uninstall: setup ## Take CONFIG out of its account; pictures and queues stay
	$(RUN)generator uninstall $(CONFIG) $(CHANGING)

prices: setup ## Refresh the instance prices of generator/facts/data/prices.json (needs Go)
	$(RUN)python tools/prices.py

bench-preflight: setup .cache/ministack/made-from ## Speed of preflight at 100 ms a call, beside one call after the other; 10 s at most
	$(RUN)python -m bench.preflight
