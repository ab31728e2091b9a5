{{- /*
Names of the objects. They depend on solution and runtime and not on the release, so that two releases cannot claim
the same object; guards check their lengths (63 characters). All take a resolved runtime (see sd-runtimes.resolve).
*/ -}}

{{- /* sd-runtimes.name.volume (runtime): PersistentVolume. With a cache, a name of its own: its attributes are immutable. */ -}}
{{- define "sd-runtimes.name.volume" -}}
{{ .global.stackName }}-{{ .name }}{{ include "sd-runtimes.name.cache" . }}
{{- end -}}

{{- /* sd-runtimes.name.cache (runtime): the end of the names of volume and claim; no runtime's name has a dot. */ -}}
{{- define "sd-runtimes.name.cache" -}}
{{ with .runtime.models.cacheSize }}.cache-{{ lower . }}{{ end }}
{{- end -}}

{{- /* sd-runtimes.name.nodePool (runtime): NodePool and EC2NodeClass; value of karpenter.sh/nodepool. */ -}}
{{- define "sd-runtimes.name.nodePool" -}}
{{ .global.stackName }}-{{ .pool }}
{{- end -}}

{{- /* sd-runtimes.name.serviceAccount (runtime) */ -}}
{{- define "sd-runtimes.name.serviceAccount" -}}
{{ .runtime.serviceAccountName | default .name }}
{{- end -}}

{{- /* sd-runtimes.name.agentConfig (runtime): ConfigMap of the queue agent. */ -}}
{{- define "sd-runtimes.name.agentConfig" -}}
{{ .name }}-agent
{{- end -}}

{{- /* sd-runtimes.name.runtimeConfig (runtime): ConfigMap of the runtime. */ -}}
{{- define "sd-runtimes.name.runtimeConfig" -}}
{{ .name }}-runtime
{{- end -}}

{{- /* sd-runtimes.name.claim (runtime): PersistentVolumeClaim of the models. */ -}}
{{- define "sd-runtimes.name.claim" -}}
{{ .runtime.persistence.existingClaim | default (printf "%s-models%s" .name (include "sd-runtimes.name.cache" .)) }}
{{- end -}}
