{{- /* Checks of node pools that several runtimes share. */ -}}

{{- /* sd-runtimes.problems.pools (root): names of shared pools, and that all their runtimes want the same nodes. */ -}}
{{- define "sd-runtimes.problems.pools" -}}
{{- $pools := dict }}{{ include "sd-runtimes.pools" (dict "root" . "into" $pools) -}}
{{- range $pool, $runtimes := $pools }}
{{- $shared := list }}{{ range $runtimes }}{{ if .shared }}{{ $shared = append $shared . }}{{ end }}{{ end }}
{{- if $shared }}
{{- $first := first $shared }}
{{- $where := printf "runtimes.%s.karpenter.nodePool" $first.name }}
{{- if ne (len $shared) (len $runtimes) }}
- {{ printf "%s: %s is also the node pool of the runtime %s: choose another name" $where $pool $first.pool | quote }}
{{- end }}
{{- if gt (len $pool) 63 }}
- {{ printf "%s: the name %s has %d characters; the maximum of a label is 63: shorten nodePool or global.stackName by %d" $where $pool (len $pool) (sub (len $pool) 63) | quote }}
{{- end }}
{{- range rest $shared }}
{{- include "sd-runtimes.problems.differences" (dict "first" $first "other" .) }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* sd-runtimes.problems.differences (first, other): what two runtimes of one node pool set to different values. */ -}}
{{- define "sd-runtimes.problems.differences" -}}
{{- $first := dict }}{{ include "sd-runtimes.nodeSettings" (dict "runtime" .first "into" $first) -}}
{{- $other := dict }}{{ include "sd-runtimes.nodeSettings" (dict "runtime" .other "into" $other) -}}
{{- range $key := concat (keys $first) (keys $other) | uniq | sortAlpha }}
{{- $values := list (get $other $key | default "not set") (get $first $key | default "not set") }}
{{- if ne (first $values) (last $values) }}
- {{ printf "runtimes.%s.karpenter.%s: %s here, %s in runtimes.%s of the same node pool %s: set both to the same value, or another nodePool" $.other.name $key (first $values) (last $values) $.first.name $.first.pool | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* sd-runtimes.nodeSettings (runtime, into): fills `into` with every setting of the nodes as text, by its path. */ -}}
{{- define "sd-runtimes.nodeSettings" -}}
{{- $settings := omit .runtime.karpenter "nodePool" -}}
{{- include "sd-runtimes.leaves" (dict "value" $settings "path" "" "into" .into) -}}
{{- /* The `v` of Bottlerocket's releases is optional. */ -}}
{{- $release := "nodeTemplate.amiVersion" -}}
{{- with get .into $release }}{{ $_ := set $.into $release (trimPrefix "v" .) }}{{ end -}}
{{- end -}}

{{- /*
sd-runtimes.leaves (value, path, into): fills `into` with the values of a map, at any depth, by their paths. An empty text
is not set, except as userData, where it means no user data at all.
*/ -}}
{{- define "sd-runtimes.leaves" -}}
{{- if kindIs "map" .value -}}
{{- range $key, $value := .value -}}
{{- include "sd-runtimes.leaves" (dict "value" $value "path" (printf "%s.%s" $.path $key) "into" $.into) -}}
{{- end -}}
{{- else -}}
{{- $text := include "sd-runtimes.canonical" .value -}}
{{- if and (not $text) (hasSuffix ".userData" .path) (kindIs "string" .value) }}{{ $text = `""` }}{{ end -}}
{{- if $text }}{{ $_ := set .into (trimPrefix "." .path) $text }}{{ end -}}
{{- end -}}
{{- end -}}

{{- /*
sd-runtimes.canonical (value): a value as text; nothing for an empty one. Values that differ only in the order of lists have
the same text.
*/ -}}
{{- define "sd-runtimes.canonical" -}}
{{- if and (empty .) (or (kindIs "map" .) (kindIs "slice" .)) -}}
{{- else if kindIs "map" . -}}
{{- $parts := list -}}
{{- range $key, $value := . -}}
{{- with include "sd-runtimes.canonical" $value }}{{ $parts = append $parts (printf "%s: %s" $key .) }}{{ end -}}
{{- end -}}
{ {{- join ", " $parts -}} }
{{- else if kindIs "slice" . -}}
{{- $parts := list -}}
{{- range . }}{{ $parts = append $parts (include "sd-runtimes.canonical" .) }}{{ end -}}
[{{ join ", " ($parts | sortAlpha) }}]
{{- else if not (kindIs "invalid" .) -}}
{{ include "sd-runtimes.text" . }}
{{- end -}}
{{- end -}}
