{{- /*
sd-runtimes.hpaBehavior (scaling): the HPA's behavior between 1 and N pods. The window covers a pause between tasks,
since a new pod takes minutes; see bench/scaling.py for a comparison. A pod that is removed finishes its task first.
*/ -}}
{{- define "sd-runtimes.hpaBehavior" -}}
{{- $behavior := dict "scaleDown" (dict "stabilizationWindowSeconds" 150) -}}
{{- include "sd-runtimes.merge" (dict "into" $behavior "over" .extraHPAConfig) -}}
{{- toYaml $behavior -}}
{{- end -}}
