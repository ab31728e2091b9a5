.PHONY: test-csi-driver
# A checkout of awslabs/mountpoint-s3-csi-driver at the tag of its version: CSI_DRIVER=DIR.
CSI_PROGRAM = .cache/csi-driver/aws-s3-csi-controller

test-csi-driver: e2e-tools ## Test the chart's volumes with the controller of the real S3 CSI driver (CSI_DRIVER=DIR; optional; needs Go; not in CI)
	@test -f "$(CSI_DRIVER)/cmd/aws-s3-csi-controller/main.go" || { echo "set CSI_DRIVER to a checkout of awslabs/mountpoint-s3-csi-driver, version 2" >&2; exit 2; }
	cd "$(CSI_DRIVER)" && CGO_ENABLED=0 go build -buildvcs=false -o "$(CURDIR)/$(CSI_PROGRAM)" ./cmd/aws-s3-csi-controller
	CSI_DRIVER="$(abspath $(CSI_DRIVER))" $(RUN)pytest tests/e2e/real_csi_driver.py
