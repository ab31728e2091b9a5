.PHONY: snapshot preflight cluster install smoke status logs uninstall prices bench-preflight
# DRY_RUN=1 only prints the commands, YES=1 skips the confirmation, FLAGS is passed to the command as it is.
CHANGING = $(if $(DRY_RUN),--dry-run) $(if $(YES),--yes) $(FLAGS)
preflight: setup ## Check with AWS whether the plan of CONFIG can work in its account; read-only
	$(RUN)generator preflight "$(CONFIG)" $(FLAGS)

cluster: setup ## Create or update queues, buckets, HTTP API, network and EKS cluster of CONFIG
	$(RUN)generator deploy "$(CONFIG)" --only stack --only cluster --only network $(CHANGING)

install: setup ## Install or upgrade Karpenter, KEDA, CSI driver and the runtimes of CONFIG in its cluster
	$(RUN)generator deploy "$(CONFIG)" --only release $(CHANGING)

smoke: setup ## Send one task through the HTTP API of CONFIG and wait for its picture
	$(RUN)generator smoke "$(CONFIG)" $(CHANGING)

status: setup ## Show queues, pods and GPU nodes of CONFIG
	$(RUN)generator status "$(CONFIG)" $(FLAGS)

logs: setup ## Print the logs of RUNTIME of CONFIG, or with TASK=ID the lines of one task
	$(RUN)generator logs "$(CONFIG)" $(RUNTIME) $(if $(TASK),--task $(TASK)) $(FLAGS)

# A clone of https://github.com/aws-samples/bottlerocket-images-cache.
IMAGES_CACHE ?= ../bottlerocket-images-cache
snapshot: setup ## Make an EBS snapshot with the images of RUNTIME of CONFIG, with AWS's script in IMAGES_CACHE=DIR; prints its ID
	@test -f "$(IMAGES_CACHE)/snapshot.sh" || { echo "set IMAGES_CACHE to a clone of https://github.com/aws-samples/bottlerocket-images-cache" >&2; exit 2; }
	@command="$$($(RUN)generator images "$(CONFIG)" --snapshot $(RUNTIME))" && cd "$(IMAGES_CACHE)" && bash -c "$$command"

uninstall: setup ## Delete what CONFIG created in its account, except pictures and queues
	$(RUN)generator uninstall "$(CONFIG)" $(CHANGING)

prices: setup ## Refresh the instance prices of generator/facts/data/prices.json (needs Go)
	$(RUN)python tools/prices.py

bench-preflight: setup .cache/ministack/made-from ## Measure preflight at 100 ms per AWS call, compared with sequential calls; fails above 10 s
	$(RUN)python -m bench.preflight
