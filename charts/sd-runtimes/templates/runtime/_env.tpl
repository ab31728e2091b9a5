{{- /*
sd-runtimes.env (own, extra): environment variables of a container. `own` is the chart's map, sorted by name; `extra`,
the user's map or list, overrides it. A list keeps its order and follows `own`: its values may contain `$(NAME)`.
*/ -}}
{{- define "sd-runtimes.env" -}}
{{- $map := dict -}}
{{- include "sd-runtimes.merge" (dict "into" $map "over" .own) -}}
{{- $list := list -}}
{{- if kindIs "map" .extra -}}
{{- include "sd-runtimes.merge" (dict "into" $map "over" .extra) -}}
{{- else -}}
{{- $list = .extra -}}
{{- range $list }}{{ $_ := unset $map .name }}{{ end -}}
{{- end -}}
{{- range $name, $value := $map }}
- name: {{ $name | quote }}
  value: {{ include "sd-runtimes.text" $value | quote }}
{{- end }}
{{- range $list }}
- name: {{ .name | quote }}
  {{- if .valueFrom }}
  valueFrom:
    {{- toYaml .valueFrom | nindent 4 }}
  {{- else }}
  value: {{ include "sd-runtimes.text" (kindIs "invalid" .value | ternary "" .value) | quote }}
  {{- end }}
{{- end }}
{{- end -}}

{{- /*
sd-runtimes.text (value): a number or boolean as the text that was written. Helm reads every number as a float, and
would write a large one as 3.3554432e+07.
*/ -}}
{{- define "sd-runtimes.text" -}}
{{- $whole := and (kindIs "float64" .) (eq (floor .) .) (lt (mulf . .) 1e30) -}}
{{- if $whole }}{{ int64 . }}{{ else }}{{ toString . }}{{ end -}}
{{- end -}}
