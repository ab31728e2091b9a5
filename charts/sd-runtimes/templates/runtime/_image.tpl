{{- /*
sd-runtimes.image (runtime, image, own, repository, tag): the reference of a container's image. `image` holds the
merged values, `own` those of the runtime's entry alone; `repository` and `tag` are the defaults.
- A repository that the entry sets together with its registry is used unchanged. A registry is a first part with a dot or
  a colon, or `localhost`.
- Any other is in `global.imageRegistry` if that is set: it replaces the registry.
- Without it, a repository without a registry is in the account's ECR.
- The digest takes precedence over the tag.
*/ -}}
{{- define "sd-runtimes.image" -}}
{{- $g := .runtime.global -}}
{{- $repository := .image.repository | default .repository -}}
{{- $host := regexFind "^(localhost|[^/]*[.:][^/]*)/" $repository -}}
{{- if and .own.repository $host -}}
{{- $repository -}}
{{- else if $g.imageRegistry -}}
{{- $g.imageRegistry | trimSuffix "/" }}/{{ trimPrefix $host $repository -}}
{{- else if $host -}}
{{- $repository -}}
{{- else -}}
{{- $g.accountId }}.dkr.ecr.{{ $g.region }}.{{ $g.dnsSuffix }}/{{ $repository -}}
{{- end -}}
{{- if .image.digest }}@{{ .image.digest }}{{ else }}:{{ .image.tag | default .tag }}{{ end -}}
{{- end -}}

{{- /* sd-runtimes.image.runtime (runtime, profile): image of the runtime. */ -}}
{{- define "sd-runtimes.image.runtime" -}}
{{- $own := dig "runtime" "inferenceApi" "image" dict .runtime.entry -}}
{{- include "sd-runtimes.image" (dict "runtime" .runtime "image" .runtime.runtime.inferenceApi.image "own" $own
      "repository" .profile.image.repository "tag" .profile.image.tag) -}}
{{- end -}}

{{- /* sd-runtimes.image.agent (runtime): image of the queue agent. */ -}}
{{- define "sd-runtimes.image.agent" -}}
{{- $own := dig "runtime" "queueAgent" "image" dict .entry -}}
{{- include "sd-runtimes.image" (dict "runtime" . "image" .runtime.queueAgent.image "own" $own
      "repository" "sd-on-eks/queue-agent" "tag" .chart.AppVersion) -}}
{{- end -}}

{{- /* sd-runtimes.image.collector (runtime): image of the trace collector. */ -}}
{{- define "sd-runtimes.image.collector" -}}
{{- $own := dig "runtime" "queueAgent" "xray" "daemon" "image" dict .entry -}}
{{- include "sd-runtimes.image" (dict "runtime" . "image" .runtime.queueAgent.xray.daemon.image "own" $own
      "repository" "" "tag" "") -}}
{{- end -}}
