{{- /* sd-runtimes.problems.scaling (runtime, where): checks of the ScaledObject. */ -}}
{{- define "sd-runtimes.problems.scaling" -}}
{{- $s := .runtime.runtime.scaling -}}
{{- if $s.enabled }}
{{- if gt (int $s.minReplicaCount) (int $s.maxReplicaCount) }}
- {{ printf "%s.runtime.scaling: minReplicaCount %d is above maxReplicaCount %d: lower one or raise the other" .where (int $s.minReplicaCount) (int $s.maxReplicaCount) | quote }}
{{- else if lt (int $s.maxReplicaCount) 1 }}
- {{ printf "%s.runtime.scaling.maxReplicaCount is 0: the HPA needs 1 or more; to stop a runtime, remove its entry" .where | quote }}
{{- end }}
{{- range $key, $rules := $s.extraHPAConfig }}
{{- if not (has $key (list "scaleUp" "scaleDown")) }}
- {{ printf "%s.runtime.scaling.extraHPAConfig: %s is not a field of behavior: use scaleUp and scaleDown" $.where $key | quote }}
{{- else if not (kindIs "map" $rules) }}
- {{ printf "%s.runtime.scaling.extraHPAConfig: %s is not a mapping: set stabilizationWindowSeconds, selectPolicy or policies" $.where $key | quote }}
{{- else if gt (int (dig "stabilizationWindowSeconds" 0 $rules)) 3600 }}
- {{ printf "%s.runtime.scaling.extraHPAConfig.%s.stabilizationWindowSeconds: the maximum is 3600: lower it" $.where $key | quote }}
{{- end }}
{{- end }}
{{- end -}}
{{- end -}}
