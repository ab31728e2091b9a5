.PHONY: examples
examples: setup ## Write the outputs of the examples that are in git to be read
	$(RUN)python tools/examples.py
