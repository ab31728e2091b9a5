{{- /*
Volumes of the models: one for each runtime; with a cache, one for all runtimes whose mount is the same. The CSI driver
mounts a volume once on a node, for all pods there with its name, handle, mount options and fsGroup
(buildFieldFilters in cmd/aws-s3-csi-controller of awslabs/mountpoint-s3-csi-driver, v2.7.0): one volume is one cache.
*/ -}}

{{- /*
sd-runtimes.modelVolumes (root, into): adds the volumes to the dictionary `into`, by namespace and claim: `runtime`, the first
that uses it, `labels` and `annotations`.
*/ -}}
{{- define "sd-runtimes.modelVolumes" -}}
{{- range $name, $entry := .root.Values.runtimes -}}
{{- $rt := dict }}{{ include "sd-runtimes.resolve" (dict "root" $.root "name" $name "entry" $entry "into" $rt) -}}
{{- $p := $rt.runtime.persistence -}}
{{- if and $p.enabled (not $p.existingClaim) -}}
{{- $key := printf "%s/%s" $rt.namespace (include "sd-runtimes.name.claim" $rt) -}}
{{- $first := get $.into $key | default (dict "runtime" $rt) -}}
{{- $labels := include "sd-runtimes.modelLabels" (dict "root" $.root "runtime" $rt) | fromYaml -}}
{{- $_ := set $first "labels" (merge ($first.labels | default dict) $labels) -}}
{{- $_ := set $first "annotations" (merge ($first.annotations | default dict) $p.annotations) -}}
{{- $_ := set $.into $key $first -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /*
sd-runtimes.modelLabels (root, runtime): labels of volume and claim, with `persistence.labels`. Those of a cache name no
runtime, since it may be that of several.
*/ -}}
{{- define "sd-runtimes.modelLabels" -}}
{{- $labels := dict -}}
{{- if .runtime.cached -}}
{{- $labels = include "sd-runtimes.release.labels" (dict "root" .root "name" "model-cache" "component" "models") | fromYaml -}}
{{- $labels = merge $labels .runtime.runtime.labels -}}
{{- else -}}
{{- $labels = include "sd-runtimes.labels" (dict "runtime" .runtime "component" "models") | fromYaml -}}
{{- end -}}
{{- toYaml (merge $labels .runtime.runtime.persistence.labels) -}}
{{- end -}}

{{- /*
sd-runtimes.mountOptions (runtime): the options of the config, as a YAML list. With a cache in one order, so that the order
in the config makes no second mount.
*/ -}}
{{- define "sd-runtimes.mountOptions" -}}
{{- $options := list -}}
{{- range .runtime.persistence.s3.mountOptions -}}
{{- $options = append $options (include "sd-runtimes.mountOption.text" .) -}}
{{- end -}}
{{- if .cached }}{{ $options = sortAlpha $options }}{{ end -}}
{{- toYaml $options -}}
{{- end -}}
