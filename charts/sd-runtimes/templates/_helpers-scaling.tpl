{{- /*
sd-runtimes.hpaBehavior (scaling): how the HPA moves between 1 and N. The default gives pods back slowly: the HPA
cannot see which pod works, each victim has to end its task first, and a node that comes back costs minutes.
*/ -}}
{{- define "sd-runtimes.hpaBehavior" -}}
{{- $policy := dict "type" "Pods" "value" 1 "periodSeconds" 60 -}}
{{- $behavior := dict "scaleDown" (dict "stabilizationWindowSeconds" 300 "policies" (list $policy)) -}}
{{- include "sd-runtimes.merge" (dict "into" $behavior "over" .extraHPAConfig) -}}
{{- toYaml $behavior -}}
{{- end -}}
