{{- /*
Resolves `.Values` to one complete runtime. Every template begins with

  {{- range $name, $entry := .Values.runtimes }}
  {{- $rt := dict }}{{ include "sd-runtimes.resolve" (dict "root" $ "name" $name "entry" $entry "into" $rt) }}

and then reads only `$rt`. `into` is filled in place: YAML or JSON text that each template parses again would take
seconds for a hundred runtimes. `.Values` is never modified.
*/ -}}

{{- /*
sd-runtimes.merge (into, over): merges the map `over` into the map `into`, in place. Maps are merged by key, other
values are replaced, null removes a key. Sprig's merge functions do not work here: they treat an explicit false, 0 or
"" as unset.
*/ -}}
{{- define "sd-runtimes.merge" -}}
{{- $into := .into -}}
{{- range $key, $value := .over -}}
{{- if and (kindIs "map" $value) (kindIs "map" (get $into $key)) -}}
{{- include "sd-runtimes.merge" (dict "into" (get $into $key) "over" $value) -}}
{{- else if kindIs "invalid" $value -}}
{{- $_ := unset $into $key -}}
{{- else -}}
{{- $_ := set $into $key $value -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /*
sd-runtimes.resolve (root, name, entry, into): fills `into` with defaults and entry, and with `name`, `global`,
`chart`, `files` (the chart's), `entry` (the entry alone), and values that several templates share: `grace` (the
grace period of a pod in seconds), `traces`, `s3` and `snapshot` (booleans), `direct` (the model files that are downloaded), `pool` (the node pool: the runtime's name, or
the name of the pool that it shares) and `shared` (whether it shares it).
*/ -}}
{{- define "sd-runtimes.resolve" -}}
{{- $rt := .into -}}
{{- range $key, $value := deepCopy .root.Values.defaults -}}
{{- $_ := set $rt $key $value -}}
{{- end -}}
{{- include "sd-runtimes.merge" (dict "into" $rt "over" .entry) -}}
{{- $_ := set $rt "name" .name -}}
{{- $_ := set $rt "entry" .entry -}}
{{- $_ := set $rt "global" .root.Values.global -}}
{{- $_ := set $rt "chart" .root.Chart -}}
{{- $_ := set $rt "release" .root.Release -}}
{{- $_ := set $rt "files" .root.Files -}}
{{- $_ := set $rt "grace" (add (int $rt.runtime.queueAgent.taskTimeoutSeconds) 60) -}}
{{- $_ := set $rt "traces" (or $rt.runtime.queueAgent.xray.enabled (dig "XRay" "enabled" false $rt.runtime.queueAgent)) -}}
{{- $p := $rt.runtime.persistence -}}
{{- $_ := set $rt "s3" (and $p.enabled $p.s3.enabled (not $p.existingClaim)) -}}
{{- $_ := set $rt "cached" (and $rt.s3 (not (empty $rt.runtime.models.cacheSize))) -}}
{{- $_ := set $rt "snapshot" (not (empty $rt.karpenter.nodeTemplate.dataVolume.snapshotID)) -}}
{{- $_ := set $rt "direct" (include "sd-runtimes.direct.files" $rt | fromJsonArray) -}}
{{- $_ := set $rt "shared" (ne ($rt.karpenter.nodePool | default "own") "own") -}}
{{- $_ := set $rt "pool" (ternary $rt.karpenter.nodePool $rt.name $rt.shared) -}}
{{- end -}}

{{- /* sd-runtimes.profile (runtime): the profile of the runtime's type, as YAML. */ -}}
{{- define "sd-runtimes.profile" -}}
{{ .files.Get (printf "profiles/%s.yaml" .type) }}
{{- end -}}
