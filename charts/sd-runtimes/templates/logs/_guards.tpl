{{- /* sd-runtimes.problems.logs (root): what Fluent Bit needs. */ -}}
{{- define "sd-runtimes.problems.logs" -}}
{{- if .Values.logs.enabled }}
{{- if not .Values.logs.logGroup }}
- "logs.logGroup is empty: set the name of a log group that exists"
{{- else if not (regexMatch "^[A-Za-z0-9_./#-]{1,512}$" .Values.logs.logGroup) }}
- {{ printf "logs.logGroup: %q is not a valid name of a log group: write letters, digits and `_-./#`" .Values.logs.logGroup | quote }}
{{- end }}
{{- if not .Values.global.region }}
- "global.region is empty: Fluent Bit needs it"
{{- end }}
{{- end }}
{{- end -}}
