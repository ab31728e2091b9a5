{{- /*
sd-runtimes.image (runtime, image, explicit, repository, tag): where the container's image is. `image` is merged,
`explicit` says whether the entry itself set the repository, `repository` and `tag` stand in for what is empty.
- A repository with a registry (its first part holds a dot or a colon) is used as it stands when the entry set it;
  otherwise `global.imageRegistry`, when there is one, takes the registry's place.
- A repository without a registry is looked for in `global.imageRegistry`, else in the account's own ECR.
- The digest wins over the tag.
*/ -}}
{{- define "sd-runtimes.image" -}}
{{- $g := .runtime.global -}}
{{- $repository := .image.repository | default .repository -}}
{{- $host := regexFind "^(localhost|[^/]*[.:][^/]*)/" $repository -}}
{{- $registry := trimSuffix "/" $host -}}
{{- if and $g.imageRegistry (not (and $host .explicit)) -}}
{{- $registry = $g.imageRegistry -}}
{{- else if not $host -}}
{{- $registry = printf "%s.dkr.ecr.%s.%s" $g.accountId $g.region $g.dnsSuffix -}}
{{- end -}}
{{- $registry }}/{{ trimPrefix $host $repository }}
{{- if .image.digest }}@{{ .image.digest }}{{ else }}:{{ .image.tag | default .tag }}{{ end -}}
{{- end -}}

{{- /* sd-runtimes.image.runtime (runtime, profile) */ -}}
{{- define "sd-runtimes.image.runtime" -}}
{{- $explicit := dig "runtime" "inferenceApi" "image" "repository" "" .runtime.explicit -}}
{{- include "sd-runtimes.image" (dict "runtime" .runtime "image" .runtime.runtime.inferenceApi.image "explicit" $explicit
      "repository" .profile.image.repository "tag" .profile.image.tag) -}}
{{- end -}}

{{- /* sd-runtimes.image.agent (runtime) */ -}}
{{- define "sd-runtimes.image.agent" -}}
{{- $explicit := dig "runtime" "queueAgent" "image" "repository" "" .explicit -}}
{{- include "sd-runtimes.image" (dict "runtime" . "image" .runtime.queueAgent.image "explicit" $explicit
      "repository" "sd-on-eks/queue-agent" "tag" .chart.AppVersion) -}}
{{- end -}}

{{- /* sd-runtimes.image.collector (runtime) */ -}}
{{- define "sd-runtimes.image.collector" -}}
{{- $explicit := dig "runtime" "queueAgent" "xray" "daemon" "image" "repository" "" .explicit -}}
{{- include "sd-runtimes.image" (dict "runtime" . "image" .runtime.queueAgent.xray.daemon.image "explicit" $explicit
      "repository" "public.ecr.aws/aws-observability/aws-otel-collector" "tag" "v0.43.1") -}}
{{- end -}}
