{{- /*
sd-runtimes.hpaBehavior (scaling): how the HPA moves between 1 and N. The window is long enough for a
lull between tasks, as a pod that comes back costs minutes, and no longer: bench/scaling.py compares. A pod that
goes ends its task first.
*/ -}}
{{- define "sd-runtimes.hpaBehavior" -}}
{{- $behavior := dict "scaleDown" (dict "stabilizationWindowSeconds" 150) -}}
{{- include "sd-runtimes.merge" (dict "into" $behavior "over" .extraHPAConfig) -}}
{{- toYaml $behavior -}}
{{- end -}}
