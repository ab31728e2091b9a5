{{- /* sd-runtimes.selector (runtime): the two labels that a Deployment can never change. */ -}}
{{- define "sd-runtimes.selector" -}}
app.kubernetes.io/name: sd-runtime
app.kubernetes.io/instance: {{ .name | quote }}
{{- end -}}

{{- /*
sd-runtimes.labels (runtime, component): the labels of an object. `component` is the template's folder. The user's
labels come too, but cannot take the place of these.
*/ -}}
{{- define "sd-runtimes.labels" -}}
{{- $own := include "sd-runtimes.selector" .runtime | fromYaml -}}
{{- $_ := set $own "app.kubernetes.io/component" .component -}}
{{- $_ := set $own "app.kubernetes.io/part-of" .runtime.global.stackName -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" .runtime.release.Service -}}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .runtime.chart.Name .runtime.chart.Version) -}}
{{- toYaml (merge $own .runtime.runtime.labels) -}}
{{- end -}}

{{- /* sd-runtimes.podLabels (runtime): without the chart's version, so that an upgrade of the chart alone rolls no pod. */ -}}
{{- define "sd-runtimes.podLabels" -}}
{{- $own := include "sd-runtimes.selector" . | fromYaml -}}
{{- $_ := set $own "app.kubernetes.io/component" "runtime" -}}
{{- $_ := set $own "app.kubernetes.io/part-of" .global.stackName -}}
{{- $_ := set $own "sd-on-eks/type" .type -}}
{{- toYaml (merge $own .runtime.labels) -}}
{{- end -}}

{{- /* sd-runtimes.modelLabels (runtime): volume and claim also bear `persistence.labels`. */ -}}
{{- define "sd-runtimes.modelLabels" -}}
{{- $labels := include "sd-runtimes.labels" (dict "runtime" . "component" "models") | fromYaml -}}
{{- toYaml (merge $labels .runtime.persistence.labels) -}}
{{- end -}}
