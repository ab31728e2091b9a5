.PHONY: bench-generator bench-fair bench-api
bench-generator: setup ## Measure validate and build, as ratios to baselines in the same run
	$(RUN)python -m bench.generator

bench-fair: setup .cache/ministack/made-from ## Measure how long one task of a key waits behind a burst of another; fails above its bound
	$(RUN)python -m bench.fair

bench-api: setup .cache/ministack/made-from ## Measure the HTTP API next to a function that only echoes, behind the same gateway
	$(RUN)python -m bench.api
