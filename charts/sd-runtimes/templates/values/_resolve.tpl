{{- /*
From `.Values` to one complete runtime. Every template begins with

  {{- range $name, $entry := .Values.runtimes }}
  {{- $rt := dict }}{{ include "sd-runtimes.resolve" (dict "root" $ "name" $name "entry" $entry "into" $rt) }}

and then reads `$rt` alone. `into` is filled in place, since text (YAML or JSON) that is parsed again in each
template would take seconds for a hundred runtimes; `.Values` itself is never written to.
*/ -}}

{{- /*
sd-runtimes.merge (into, over): lays the map `over` upon the map `into`, in place. Maps are merged by key, anything
else is replaced, null takes a key away. Sprig's merge functions are of no use here: they take an explicit
false, 0 or "" for "not said".
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
`chart`, `files` (the chart's), `said` (the entry as written), and what several templates must agree on:
`grace` (seconds a pod has to end), `traces`, `s3` and `snapshot` (booleans).
*/ -}}
{{- define "sd-runtimes.resolve" -}}
{{- $rt := .into -}}
{{- range $key, $value := deepCopy .root.Values.defaults -}}
{{- $_ := set $rt $key $value -}}
{{- end -}}
{{- include "sd-runtimes.merge" (dict "into" $rt "over" .entry) -}}
{{- $_ := set $rt "name" .name -}}
{{- $_ := set $rt "said" .entry -}}
{{- $_ := set $rt "global" .root.Values.global -}}
{{- $_ := set $rt "chart" .root.Chart -}}
{{- $_ := set $rt "release" .root.Release -}}
{{- $_ := set $rt "files" .root.Files -}}
{{- $_ := set $rt "grace" (add (int $rt.runtime.queueAgent.taskTimeoutSeconds) 60) -}}
{{- $_ := set $rt "traces" (or $rt.runtime.queueAgent.xray.enabled (dig "XRay" "enabled" false $rt.runtime.queueAgent)) -}}
{{- $p := $rt.runtime.persistence -}}
{{- $_ := set $rt "s3" (and $p.enabled $p.s3.enabled (not $p.existingClaim)) -}}
{{- $_ := set $rt "snapshot" (not (empty $rt.karpenter.nodeTemplate.dataVolume.snapshotID)) -}}
{{- end -}}

{{- /* sd-runtimes.profile (runtime): what the chart knows of the runtime's type, as YAML. */ -}}
{{- define "sd-runtimes.profile" -}}
{{ .files.Get (printf "profiles/%s.yaml" .type) }}
{{- end -}}
