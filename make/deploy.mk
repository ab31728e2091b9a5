.PHONY: prices
prices: setup ## Refresh the instance prices of generator/data/prices.json (needs Go)
	$(RUN)python tools/prices.py
