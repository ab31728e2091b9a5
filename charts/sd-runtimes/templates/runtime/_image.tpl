{{- /*
sd-runtimes.image (runtime, image, said, repository, tag): where a container's image is. `image` is merged, `said` is
what the runtime's entry says of it, `repository` and `tag` stand in for what is empty.
- A repository that the entry names is used as it stands.
- Any other comes from `global.imageRegistry` when there is one: it takes the place of the registry, the first part
  when that holds a dot or a colon.
- Without it a repository without a registry (an image of ours) is in the account's own ECR.
- The digest wins over the tag.
*/ -}}
{{- define "sd-runtimes.image" -}}
{{- $g := .runtime.global -}}
{{- $repository := .image.repository | default .repository -}}
{{- $host := regexFind "^(localhost|[^/]*[.:][^/]*)/" $repository -}}
{{- if .said.repository -}}
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

{{- /* sd-runtimes.image.runtime (runtime, profile) */ -}}
{{- define "sd-runtimes.image.runtime" -}}
{{- $said := dig "runtime" "inferenceApi" "image" dict .runtime.said -}}
{{- include "sd-runtimes.image" (dict "runtime" .runtime "image" .runtime.runtime.inferenceApi.image "said" $said
      "repository" .profile.image.repository "tag" .profile.image.tag) -}}
{{- end -}}

{{- /* sd-runtimes.image.agent (runtime) */ -}}
{{- define "sd-runtimes.image.agent" -}}
{{- $said := dig "runtime" "queueAgent" "image" dict .said -}}
{{- include "sd-runtimes.image" (dict "runtime" . "image" .runtime.queueAgent.image "said" $said
      "repository" "sd-on-eks/queue-agent" "tag" .chart.AppVersion) -}}
{{- end -}}

{{- /* sd-runtimes.image.collector (runtime) */ -}}
{{- define "sd-runtimes.image.collector" -}}
{{- $said := dig "runtime" "queueAgent" "xray" "daemon" "image" dict .said -}}
{{- include "sd-runtimes.image" (dict "runtime" . "image" .runtime.queueAgent.xray.daemon.image "said" $said
      "repository" "" "tag" "") -}}
{{- end -}}
