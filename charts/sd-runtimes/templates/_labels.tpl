{{- /* sd-runtimes.selector (runtime): the selector labels, which are immutable in a Deployment. */ -}}
{{- define "sd-runtimes.selector" -}}
app.kubernetes.io/name: sd-runtime
app.kubernetes.io/instance: {{ .name | quote }}
{{- end -}}

{{- /*
sd-runtimes.labels (runtime, component): the labels of an object. `component` is the folder of the template. The
user's labels are added; they cannot override these.
*/ -}}
{{- define "sd-runtimes.labels" -}}
{{- $own := include "sd-runtimes.selector" .runtime | fromYaml -}}
{{- $_ := set $own "app.kubernetes.io/component" .component -}}
{{- $_ := set $own "app.kubernetes.io/part-of" .runtime.global.stackName -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" .runtime.release.Service -}}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .runtime.chart.Name .runtime.chart.Version) -}}
{{- toYaml (merge $own .runtime.runtime.labels) -}}
{{- end -}}

{{- /* sd-runtimes.podLabels (runtime): without the chart version, so that a new chart version alone restarts no pod. */ -}}
{{- define "sd-runtimes.podLabels" -}}
{{- $own := include "sd-runtimes.selector" . | fromYaml -}}
{{- $_ := set $own "app.kubernetes.io/component" "runtime" -}}
{{- $_ := set $own "app.kubernetes.io/part-of" .global.stackName -}}
{{- $_ := set $own "sd-on-eks/type" .type -}}
{{- toYaml (merge $own .runtime.labels) -}}
{{- end -}}
