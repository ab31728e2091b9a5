{{- /*
Names of the objects, as functions of solution and runtime, never of the release: two releases cannot take one
object from each other, and no suffix can push a name past 63 characters unnoticed (guards count them).
All take a resolved runtime (see sd-runtimes.resolve).
*/ -}}

{{- /* Cluster-scoped: NodePool, EC2NodeClass, PersistentVolume. Also the value of karpenter.sh/nodepool. */ -}}
{{- define "sd-runtimes.name.cluster" -}}
{{ .global.stackName }}-{{ .name }}
{{- end -}}

{{- define "sd-runtimes.name.serviceAccount" -}}
{{ .runtime.serviceAccountName | default .name }}
{{- end -}}

{{- define "sd-runtimes.name.agentConfig" -}}
{{ .name }}-agent
{{- end -}}

{{- define "sd-runtimes.name.runtimeConfig" -}}
{{ .name }}-runtime
{{- end -}}

{{- define "sd-runtimes.name.claim" -}}
{{ .runtime.persistence.existingClaim | default (printf "%s-models" .name) }}
{{- end -}}
