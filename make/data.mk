.PHONY: data
data: setup ## Refresh the data about regions and instance types (from AWS: make data FROM=--from-aws)
	$(RUN)python tools/refresh_data.py $(FROM)
