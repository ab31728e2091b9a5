{{- /* sd-runtimes.monitorLabels (root, name): the labels of a monitor, with the user's; they cannot override the chart's. */ -}}
{{- define "sd-runtimes.monitorLabels" -}}
{{- $own := include "sd-runtimes.release.labels" (dict "root" .root "name" .name "component" "metrics") | fromYaml -}}
{{- toYaml (merge $own .root.Values.monitors.labels) -}}
{{- end -}}
