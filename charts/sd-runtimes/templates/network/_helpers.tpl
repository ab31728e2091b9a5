{{- /* sd-runtimes.dnsServers (runtime): the addresses of DNS servers that are not pods, as a YAML list. */ -}}
{{- define "sd-runtimes.dnsServers" -}}
{{- $own := .runtime.networkPolicy.egress.dnsServers -}}
{{- $servers := ternary ((include "sd-runtimes.autoMode" . | fromYaml).dnsServers) list .global.autoMode -}}
{{ concat $servers $own | uniq | toYaml }}
{{- end -}}
