{{- /* sd-runtimes.problems.network (runtime, where): checks of the NetworkPolicy. */ -}}
{{- define "sd-runtimes.problems.network" -}}
{{- $policy := .runtime.runtime.networkPolicy -}}
{{- $where := print .where ".runtime.networkPolicy.egress" -}}
{{- if $policy.enabled }}
{{- if not (or $policy.egress.internet $policy.egress.cidrs) }}
- {{ printf "%s: the queue agent could not reach AWS: list the addresses of VPC endpoints in cidrs, or set internet to true" $where | quote }}
{{- end }}
{{- range $policy.egress.cidrs }}
{{- if include "sd-runtimes.linkLocal" . }}
- {{ printf "%s.cidrs: %s has link-local addresses, where the instance metadata service is: list only the addresses of your endpoints" $where . | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* sd-runtimes.linkLocal (cidr): "true" for an IPv4 CIDR block that has addresses in common with 169.254.0.0/16. */ -}}
{{- define "sd-runtimes.linkLocal" -}}
{{- $parts := splitList "/" . -}}
{{- $octets := splitList "." (first $parts) -}}
{{- $first := add (mul 256 (index $octets 0 | int)) (index $octets 1 | int) -}}
{{- /* Only the first 16 bits of both: those of the prefix must be the same. */ -}}
{{- $size := 1 -}}
{{- range until (sub 16 (min 16 (last $parts | int)) | int) }}{{ $size = mul $size 2 }}{{ end -}}
{{- if eq (div $first $size) (div 43518 $size) -}}
true
{{- end -}}
{{- end -}}
