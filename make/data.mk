.PHONY: data
data: setup ## Refresh the data about regions and instance types (from AWS: make data FROM=--from-aws)
	$(RUN)python tools/refresh_data.py $(FROM)

.PHONY: chart-digests
chart-digests: setup ## Record the SHA-256 of every chart that an EKS version needs in generator/facts/data/charts.json
	$(RUN)python tools/chart_digests.py
