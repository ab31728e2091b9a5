.PHONY: sbom
SBOM := .cache/sbom
sbom: setup ## Write build/sbom: packages of generator and agent with versions and licenses (CycloneDX and a table)
	@mkdir -p build/sbom
	@test -x $(SBOM)/tool/bin/cyclonedx-py || $(RUN)python -m venv $(SBOM)/tool
	@$(SBOM)/tool/bin/pip install --quiet --disable-pip-version-check 'cyclonedx-bom>=7,<8' 'pip-licenses>=5,<6'
	@for part in generator=requirements/generator.lock queue-agent=agent/requirements.lock; do \
	  name=$${part%%=*}; python=$(SBOM)/$$name/bin/python; \
	  test -x $$python || $(RUN)python -m venv --without-pip $(SBOM)/$$name; \
	  $(RUN)pip --python $$python install --quiet --disable-pip-version-check --require-hashes --no-deps \
	    -r $${part#*=} || exit 1; \
	  $(SBOM)/tool/bin/cyclonedx-py environment --output-file build/sbom/$$name.cdx.json $$python || exit 1; \
	  $(SBOM)/tool/bin/pip-licenses --python $$python --with-urls --format markdown \
	    --output-file build/sbom/$$name-licenses.md || exit 1; \
	done
	@ls build/sbom/*
