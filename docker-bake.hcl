# The images that this repository builds: `docker buildx bake` builds all, `docker buildx bake queue-agent` one of them.
variable "REGISTRY" {
  default = "sd-on-eks"
}
# The version of the charts, which is the default tag of the queue agent.
variable "VERSION" {
  default = "0.1.0"
}

group "default" {
  targets = ["queue-agent", "comfyui", "sdwebui", "invokeai"]
}

target "_common" {
  attest = ["type=provenance,mode=max", "type=sbom"]
}

target "queue-agent" {
  inherits  = ["_common"]
  context   = "agent"
  platforms = ["linux/amd64", "linux/arm64"]
  tags      = ["${REGISTRY}/queue-agent:${VERSION}"]
}

# GPU nodes are amd64.
target "comfyui" {
  inherits  = ["_common"]
  context   = "images/comfyui"
  contexts  = { files = "charts/sd-runtimes/files" }
  platforms = ["linux/amd64"]
  tags      = ["${REGISTRY}/comfyui:0.33.0"]
}

target "sdwebui" {
  inherits  = ["_common"]
  context   = "images/sdwebui"
  platforms = ["linux/amd64"]
  tags      = ["${REGISTRY}/sdwebui:1.10.1"]
}

target "invokeai" {
  inherits  = ["_common"]
  context   = "images/invokeai"
  contexts  = { files = "charts/sd-runtimes/files" }
  platforms = ["linux/amd64"]
  tags      = ["${REGISTRY}/invokeai:6.14.2"]
}
