{{- /*
sd-runtimes.podAnnotations (runtime, profile): the user's override those for Prometheus, but not the checksums, which
restart the pods when a ConfigMap changes, and not the containers that get no AWS credentials.
*/ -}}
{{- define "sd-runtimes.podAnnotations" -}}
{{- $annotations := dict "prometheus.io/scrape" "true" "prometheus.io/port" (include "sd-runtimes.agentPort" .runtime) "prometheus.io/path" "/metrics" -}}
{{- include "sd-runtimes.merge" (dict "into" $annotations "over" .runtime.runtime.annotations) -}}
{{- $_ := set $annotations "checksum/agent" (include "sd-runtimes.config.agent" .runtime | sha256sum) -}}
{{- $_ := set $annotations "checksum/runtime" (include "sd-runtimes.config.runtime" . | sha256sum) -}}
{{- /* EKS gives the role of the service account to the other containers only (IRSA and Pod Identity): the runtime runs
code of custom nodes and of pickled models. https://github.com/aws/amazon-eks-pod-identity-webhook */ -}}
{{- $_ := set $annotations "eks.amazonaws.com/skip-containers" "runtime" -}}
{{- toYaml $annotations -}}
{{- end -}}
