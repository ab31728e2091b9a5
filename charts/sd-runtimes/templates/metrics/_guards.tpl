{{- /* sd-runtimes.problems.metrics (root): labels of the monitors, and the CRDs that they need. */ -}}
{{- define "sd-runtimes.problems.metrics" -}}
{{- include "sd-runtimes.problems.labels" (dict "labels" .Values.monitors.labels "where" "monitors.labels") }}
{{- /* Only an API server has apiregistration.k8s.io; `helm template` without a cluster cannot know. */}}
{{- $online := .Capabilities.APIVersions.Has "apiregistration.k8s.io/v1" }}
{{- if and .Values.monitors.enabled $online (not (.Capabilities.APIVersions.Has "monitoring.coreos.com/v1/PodMonitor")) }}
- "monitors.enabled: the cluster has no CRD PodMonitor: install the Prometheus Operator first, or set it to false"
{{- end }}
{{- end -}}
