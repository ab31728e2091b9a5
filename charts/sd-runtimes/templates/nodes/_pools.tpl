{{- /* Node pools, each with its runtimes. */ -}}

{{- /*
sd-runtimes.pools (root, into): fills `into` with the runtimes of each node pool, by the pool's name. The runtimes of a
shared pool have the same settings in `karpenter`: see sd-runtimes.problems.pools.
*/ -}}
{{- define "sd-runtimes.pools" -}}
{{- $pools := .into -}}
{{- range $name, $entry := .root.Values.runtimes -}}
{{- $rt := dict }}{{ include "sd-runtimes.resolve" (dict "root" $.root "name" $name "entry" $entry "into" $rt) -}}
{{- $pool := include "sd-runtimes.name.nodePool" $rt -}}
{{- $_ := set $pools $pool (append (get $pools $pool | default list) $rt) -}}
{{- end -}}
{{- end -}}

{{- /*
sd-runtimes.nodeLabels (runtime): the labels of NodePool and EC2NodeClass. Those of a shared pool have its name, and no
labels of one runtime.
*/ -}}
{{- define "sd-runtimes.nodeLabels" -}}
{{- $owner := . -}}
{{- if .shared -}}
{{- $owner = dict "name" .pool "global" .global "chart" .chart "release" .release "runtime" (dict "labels" dict) -}}
{{- end -}}
{{- include "sd-runtimes.labels" (dict "runtime" $owner "component" "nodes") -}}
{{- end -}}

{{- /* sd-runtimes.drain (grace): how long a node may take to drain, in seconds: longer than its pods take to stop. */ -}}
{{- define "sd-runtimes.drain" -}}
{{ add .grace 600 }}
{{- end -}}

{{- /* sd-runtimes.networkTerms (runtime): the selectors of the subnets and security groups of the nodes. */ -}}
{{- define "sd-runtimes.networkTerms" -}}
{{- $n := .karpenter.nodeTemplate -}}
{{- $cluster := .global.clusterName | default .global.stackName -}}
subnetSelectorTerms:
  - tags:
      {{- if $n.subnetSelector }}
      {{- toYaml $n.subnetSelector | nindent 6 }}
      {{- else }}
      # Both tags: eksctl also puts the first one on public subnets.
      karpenter.sh/discovery: {{ $cluster | quote }}
      kubernetes.io/role/internal-elb: "1"
      {{- end }}
securityGroupSelectorTerms:
  - tags:
      {{- toYaml ($n.securityGroupSelector | default (dict "aws:eks:cluster-name" $cluster)) | nindent 6 }}
{{- end -}}

{{- /* sd-runtimes.placement (runtime): puts a pod on the nodes of the runtime's pool, and tolerates their taints. */ -}}
{{- define "sd-runtimes.placement" -}}
nodeSelector:
  karpenter.sh/nodepool: {{ include "sd-runtimes.name.nodePool" . | quote }}
tolerations:
  - {key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}
  - {key: runtime, operator: Equal, value: {{ .pool | quote }}, effect: NoSchedule}
  {{- range .karpenter.provisioner.extraTaints }}
  - {key: {{ .key | quote }}, operator: Equal, value: {{ .value | default "" | quote }}, effect: {{ .effect }}}
  {{- end }}
{{- end -}}
