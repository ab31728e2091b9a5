.PHONY: preflight cluster install smoke status uninstall prices
# FLAGS reaches the command: `make cluster CONFIG=config.yaml FLAGS=--dry-run`.
preflight: setup ## Ask AWS whether the plan of CONFIG can work in its account
	$(RUN)generator preflight $(CONFIG) $(FLAGS)

cluster: setup ## Queues, buckets, HTTP API, network and EKS cluster of CONFIG
	$(RUN)generator deploy $(CONFIG) --only stack --only cluster --only network $(FLAGS)

install: setup ## Karpenter, KEDA, CSI driver and the runtimes of CONFIG, into its cluster
	$(RUN)generator deploy $(CONFIG) --only release $(FLAGS)

smoke: setup ## Send one task through the HTTP API of CONFIG and wait for its picture
	$(RUN)generator smoke $(CONFIG) $(FLAGS)

status: setup ## Queues, pods and GPU nodes of CONFIG, now
	$(RUN)generator status $(CONFIG) $(FLAGS)

uninstall: setup ## Take CONFIG out of its account; pictures and queues stay
	$(RUN)generator uninstall $(CONFIG) $(FLAGS)

prices: setup ## Refresh the instance prices of generator/data/prices.json (needs Go)
	$(RUN)python tools/prices.py
