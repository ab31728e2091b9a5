{{- /* sd-runtimes.variables (map or list): the variables of an extraEnv as a JSON list of name and value, "" for a source. */ -}}
{{- define "sd-runtimes.variables" -}}
{{- $variables := list -}}
{{- if kindIs "map" . -}}
{{- range $name, $value := . -}}
{{- $variables = append $variables (dict "name" $name "value" (include "sd-runtimes.text" $value)) -}}
{{- end -}}
{{- else -}}
{{- range . -}}
{{- $value := kindIs "invalid" .value | ternary "" .value -}}
{{- $variables = append $variables (dict "name" .name "value" (include "sd-runtimes.text" $value)) -}}
{{- end -}}
{{- end -}}
{{- toJson $variables -}}
{{- end -}}
