{{- /* sd-runtimes.raid (runtime): "true" if the nodes' NVMe disks store images and scratch files. */ -}}
{{- define "sd-runtimes.raid" -}}
{{- if and (eq .karpenter.nodeTemplate.instanceStorePolicy "RAID0") (not .snapshot) -}}
true
{{- end -}}
{{- end -}}

{{- /* sd-runtimes.requirements (runtime): the requirements of the NodePool. */ -}}
{{- define "sd-runtimes.requirements" -}}
{{- $p := .karpenter.provisioner -}}
- key: kubernetes.io/arch
  operator: In
  values: [amd64]
{{- if not .global.autoMode }}
- key: kubernetes.io/os
  operator: In
  values: [linux]
{{- end }}
- key: karpenter.sh/capacity-type
  operator: In
  values:
    {{- if .karpenter.nodeTemplate.capacityReservationSelectorTerms }}
    - reserved
    {{- end }}
    {{- if $p.capacityType.spot }}
    - spot
    {{- end }}
    {{- if $p.capacityType.onDemand }}
    - on-demand
    {{- end }}
{{- with $p.instanceType }}
- key: node.kubernetes.io/instance-type
  operator: In
  values:
    {{- range . }}
    - {{ . | quote }}
    {{- end }}
{{- end }}
{{- if include "sd-runtimes.raid" . }}
# Images are on NVMe disks. With RAID0, an instance without them does not boot.
- key: {{ ternary "eks.amazonaws.com" "karpenter.k8s.aws" .global.autoMode }}/instance-local-nvme
  operator: Gt
  values: ["0"]
{{- end }}
{{- range $p.extraRequirements }}
- key: {{ .key | quote }}
  operator: {{ .operator }}
  {{- with .values }}
  values:
    {{- range . }}
    - {{ . | toString | quote }}
    {{- end }}
  {{- end }}
  {{- with .minValues }}
  minValues: {{ int . }}
  {{- end }}
{{- end }}
{{- end -}}

{{- /*
sd-runtimes.ebs (volume, key): always encrypted, with the account's default key where `key` is empty. The size is set even
with a snapshot: otherwise Karpenter would assume its default of 20 Gi and find too little space for the images.
*/ -}}
{{- define "sd-runtimes.ebs" -}}
{{- $key := .key -}}
{{- with .volume -}}
encrypted: true
{{- with $key }}
kmsKeyID: {{ . | quote }}
{{- end }}
volumeSize: {{ .volumeSize }}
volumeType: {{ .volumeType | quote }}
deleteOnTermination: {{ .deleteOnTermination }}
{{- with .iops }}
iops: {{ int . }}
{{- end }}
{{- with .throughput }}
throughput: {{ int . }}
{{- end }}
{{- with .snapshotID }}
snapshotID: {{ . | quote }}
{{- end }}
{{- with .volumeInitializationRate }}
volumeInitializationRate: {{ int . }}
{{- end }}
{{- end -}}
{{- end -}}

{{- /*
sd-runtimes.instanceTags (runtime): the runtime's tags override the solution's, which override the chart's. Instances of a
shared pool are of no one runtime; Karpenter tags them with the name of the pool.
*/ -}}
{{- define "sd-runtimes.instanceTags" -}}
{{- $tags := dict "stack" .global.stackName -}}
{{- if not .shared }}{{ $_ := set $tags "runtime" .name }}{{ end -}}
{{- include "sd-runtimes.merge" (dict "into" $tags "over" (.global.tags | default dict)) -}}
{{- include "sd-runtimes.merge" (dict "into" $tags "over" .karpenter.nodeTemplate.tags) -}}
{{- toYaml $tags -}}
{{- end -}}

{{- /*
sd-runtimes.userData (runtime): SOCI pulls images in parallel. Not with an image cache: its snapshot was made by
containerd's default snapshotter, whose layers SOCI does not find. The user's text comes first, because keys that are not
in a table must come before all tables. TOML does not allow the same table twice and Helm cannot read TOML: where the text
may set one of these tables (in a header, a dotted key, a key with escapes, or all of `settings` as one value), it is taken
as it is.
*/ -}}
{{- define "sd-runtimes.userData" -}}
{{- $own := .karpenter.nodeTemplate.userData -}}
{{- $text := include "sd-runtimes.toml" $own -}}
{{- with $own }}{{ trimSuffix "\n" . }}
{{ end -}}
{{- $off := and (kindIs "string" $own) (not (trim $own)) -}}
{{- $sets := regexMatch `container-runtime|\\[uU]|(?m:^\s*["']?settings["']?\s*=)` $text -}}
{{- if not (or $off $sets .snapshot) -}}
{{ .files.Get "files/parallel-pull.toml" }}
{{- end -}}
{{- end -}}

{{- /* sd-runtimes.toml (text): TOML without its comments. A string is matched first, so that a # in it stays. */ -}}
{{- define "sd-runtimes.toml" -}}
{{- $strings := `"""(?s:.*?)"""|'''(?s:.*?)'''|"(?:\\.|[^"\\\n])*"|'[^'\n]*'` -}}
{{- regexReplaceAll (printf "(%s)|#[^\n]*" $strings) (. | default "") "${1}" -}}
{{- end -}}

{{- /* sd-runtimes.amiAlias (nodeTemplate): the alias of the AMI; the `v` of Bottlerocket's releases is optional. */ -}}
{{- define "sd-runtimes.amiAlias" -}}
{{- $version := .amiVersion | toString -}}
{{ lower .amiFamily }}@{{ ternary $version (print "v" (trimPrefix "v" $version)) (eq $version "latest") }}
{{- end -}}
