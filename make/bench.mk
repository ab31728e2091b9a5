.PHONY: bench-generator
bench-generator: setup ## Measure validate and build, as ratios to baselines in the same run
	$(RUN)python -m bench.generator
