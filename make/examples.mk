.PHONY: examples
examples: setup ## Write the build outputs of the examples that are kept in git
	$(RUN)python tools/examples.py
