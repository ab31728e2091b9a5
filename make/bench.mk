.PHONY: bench-generator
bench-generator: setup ## Speed of validate and build, as ratios to baselines of the same run
	$(RUN)python -m bench.generator
