{{- /*
Placeholders: pods without work that hold the resources of a runtime's pod on a node of its pool. The scheduler preempts
one as soon as a pod of a runtime needs its place; the placeholder that the Deployment then starts makes Karpenter start
the next node.
*/ -}}

{{- /* sd-runtimes.name.placeholder (runtime): Deployment, ScaledObject and PriorityClass (with the stack's name). */ -}}
{{- define "sd-runtimes.name.placeholder" -}}
{{ .name }}-placeholder
{{- end -}}

{{- /* sd-runtimes.name.placeholderClass (runtime): the PriorityClass, which belongs to no namespace. */ -}}
{{- define "sd-runtimes.name.placeholderClass" -}}
{{ .global.stackName }}-{{ include "sd-runtimes.name.placeholder" . }}
{{- end -}}

{{- /* sd-runtimes.selector.placeholder (runtime): not the labels by which runtimes are selected. */ -}}
{{- define "sd-runtimes.selector.placeholder" -}}
app.kubernetes.io/name: sd-placeholder
app.kubernetes.io/instance: {{ .name | quote }}
{{- end -}}

{{- /*
sd-runtimes.placeholders (scaling): the numbers of placeholders as YAML: `always`, `most` (in the hours of any entry), and
`scheduled`, whether they depend on the time.
*/ -}}
{{- define "sd-runtimes.placeholders" -}}
{{- $always := 0 -}}
{{- $most := 0 -}}
{{- $scheduled := false -}}
{{- if .enabled -}}
{{- range .warm -}}
{{- $nodes := int (.nodes | default 0) -}}
{{- $most = max $most $nodes -}}
{{- if and $nodes .start }}{{ $scheduled = true }}{{ else }}{{ $always = max $always $nodes }}{{ end -}}
{{- end -}}
{{- end -}}
always: {{ $always }}
most: {{ $most }}
scheduled: {{ $scheduled }}
{{- end -}}

{{- /* sd-runtimes.cron (entry, replicas, name): the trigger that keeps `replicas` from `start` to `end`. */ -}}
{{- define "sd-runtimes.cron" -}}
- type: cron
  {{- with .name }}
  name: {{ . }}
  {{- end }}
  metadata:
    timezone: {{ .entry.timezone | default "UTC" | quote }}
    start: {{ .entry.start | quote }}
    end: {{ .entry.end | quote }}
    desiredReplicas: {{ int .replicas | quote }}
{{- end -}}
