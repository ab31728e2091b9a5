.PHONY: release
# The version of the charts and packages, which all are the same (tests/images/test_release.py).
VERSION = $(shell sed -n 's/^version: //p' charts/sd-runtimes/Chart.yaml)
RELEASE ?= $(VERSION)
release: setup sbom ## Write build/release: wheels, source archives, chart, lists of packages and licenses, checksums; pushes nothing
	@test "$(RELEASE)" = "$(VERSION)" || { echo "the charts have version $(VERSION), not $(RELEASE): set it in charts/*/Chart.yaml, pyproject.toml, agent/pyproject.toml and docker-bake.hcl" >&2; exit 2; }
	@rm -rf build/release && mkdir -p build/release
	@$(RUN)python -m hatchling build --directory "$(CURDIR)/build/release"
	@cd agent && "$(CURDIR)/$(RUN)python" -m hatchling build --directory "$(CURDIR)/build/release"
	@helm package charts/sd-runtimes --destination build/release
	@cp build/sbom/* LICENSE build/release/
	@cd build/release && sha256sum -- * > SHA256SUMS
	@ls build/release

lint: lint-images
.PHONY: lint-images
lint-images: setup
	hadolint images/*/Dockerfile agent/Dockerfile
