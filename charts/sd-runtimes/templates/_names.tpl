{{- /*
Names of the objects. They depend on solution and runtime and not on the release, so that two releases cannot claim
the same object; guards check their lengths (63 characters). All take a resolved runtime (see sd-runtimes.resolve).
*/ -}}

{{- /* sd-runtimes.name.volume (runtime): PersistentVolume. */ -}}
{{- define "sd-runtimes.name.volume" -}}
{{ .global.stackName }}{{ if .cached }}{{ include "sd-runtimes.name.cache" . }}{{ else }}-{{ .name }}{{ end }}
{{- end -}}

{{- /*
sd-runtimes.name.cache (runtime): the end of the names of volume and claim of a mount with a cache; no runtime's name has a
dot. Runtimes whose mounts are the same have the same name, which makes them one volume: see models/_volumes.tpl.
*/ -}}
{{- define "sd-runtimes.name.cache" -}}
{{- $p := .runtime.persistence -}}
{{- $mount := list .release.Name .namespace $p.s3.modelBucket $p.size $p.accessModes (include "sd-runtimes.mountOptions" . | fromYamlArray) -}}
.cache-{{ lower .runtime.models.cacheSize }}-{{ $mount | toJson | sha256sum | trunc 8 }}
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
{{- if .cached }}models{{ include "sd-runtimes.name.cache" . }}
{{- else }}{{ .runtime.persistence.existingClaim | default (printf "%s-models" .name) }}{{ end }}
{{- end -}}
