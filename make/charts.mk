EKS ?= 1.28
.PHONY: deps crds chart-docs lint-charts
deps: setup ## Pull Karpenter, KEDA and the S3 CSI driver for the umbrella chart (EKS=1.34 for another EKS version)
	@$(RUN)python -m generator.deploy.chart_deps --eks $(EKS)

crds: setup ## Apply all CRDs to the cluster before an upgrade; Helm installs CRDs but never upgrades them
	helm show crds "$$($(RUN)python -m generator.deploy.chart_deps --eks $(EKS) --folder)" \
	  | kubectl apply --server-side --force-conflicts -f -

chart-docs: setup ## Write values.schema.json and the tables in the READMEs of the charts
	@$(RUN)python tools/chart_schema.py
	@$(RUN)python tools/chart_docs.py

lint: lint-charts
lint-charts: setup
	@$(RUN)python tools/chart_schema.py --check
	@$(RUN)python tools/chart_docs.py --check
	helm lint --strict charts/sd-runtimes
	helm lint --set keda.enabled=false,karpenter.settings.clusterName=lint charts/sd-on-eks
