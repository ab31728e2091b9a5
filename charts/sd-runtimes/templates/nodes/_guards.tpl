{{- /* Refusals about NodePool and EC2NodeClass: what the CRDs of Karpenter 1.8 refuse. All take (runtime, where). */ -}}

{{- define "sd-runtimes.problems.nodes" -}}
{{- $p := .runtime.karpenter.provisioner -}}
{{- $where := print .where ".karpenter.provisioner" -}}
{{- if not (or $p.capacityType.onDemand $p.capacityType.spot) }}
- {{ printf "%s.capacityType: onDemand and spot are both off, so no instance can start: turn one on" $where | quote }}
{{- end }}
{{- include "sd-runtimes.problems.labels" (dict "labels" $p.labels "where" (print $where ".labels")) }}
{{- include "sd-runtimes.problems.keys" (dict "keys" (keys $p.annotations) "where" (print $where ".annotations")) }}
{{- range $key := keys $p.labels | sortAlpha }}
{{- if include "sd-runtimes.restricted" (dict "runtime" $.runtime "key" $key) }}
- {{ printf "%s.labels: %s belongs to Kubernetes or Karpenter, which refuses it: use a domain of your own" $where $key | quote }}
{{- end }}
{{- end }}
{{- range $p.extraRequirements }}
{{- include "sd-runtimes.problems.requirement" (dict "requirement" . "where" $where "runtime" $.runtime) }}
{{- end }}
{{- $taints := list "nvidia.com/gpu:NoSchedule" "runtime:NoSchedule" }}
{{- range $p.extraTaints }}
{{- $taint := printf "%s:%s" .key .effect }}
{{- include "sd-runtimes.problems.labels" (dict "labels" (dict .key (.value | default "")) "where" (print $where ".extraTaints")) }}
{{- if has $taint $taints }}
- {{ printf "%s.extraTaints: the nodes already have a taint %s: take it away" $where $taint | quote }}
{{- end }}
{{- $taints = append $taints $taint }}
{{- end }}
{{- end -}}

{{- /* sd-runtimes.restricted (runtime, key): "true" for a label or requirement that the NodePool CRD refuses. */ -}}
{{- define "sd-runtimes.restricted" -}}
{{- $rules := .runtime.files.Get "files/karpenter-labels.yaml" | fromYaml -}}
{{- $domain := splitList "/" .key | first -}}
{{- $reserved := false -}}
{{- range $rules.reserved }}{{ $reserved = or $reserved (hasSuffix . $domain) }}{{ end -}}
{{- range $rules.exempt }}{{ if hasSuffix . $domain }}{{ $reserved = false }}{{ end }}{{ end -}}
{{- if or (has .key $rules.never) (and $reserved (not (has .key $rules.known))) -}}
true
{{- end -}}
{{- end -}}

{{- /* sd-runtimes.problems.requirement (requirement, where, runtime) */ -}}
{{- define "sd-runtimes.problems.requirement" -}}
{{- $r := .requirement -}}
{{- $where := printf "%s.extraRequirements: %s" .where $r.key -}}
{{- $values := $r.values | default list -}}
{{- include "sd-runtimes.problems.keys" (dict "keys" (list $r.key) "where" (print .where ".extraRequirements")) }}
{{- if include "sd-runtimes.restricted" (dict "runtime" .runtime "key" $r.key) }}
- {{ printf "%s belongs to Kubernetes or Karpenter, which refuses it: use one of the labels that Karpenter documents, or a domain of your own" $where | quote }}
{{- end }}
{{- if and (has $r.operator (list "In" "NotIn")) (not $values) }}
- {{ printf "%s: %s needs values: name at least one" $where $r.operator | quote }}
{{- else if and (has $r.operator (list "Exists" "DoesNotExist")) $values }}
- {{ printf "%s: %s takes no values: take them away" $where $r.operator | quote }}
{{- else if has $r.operator (list "Gt" "Lt" "Gte" "Lte") }}
{{- if or (ne (len $values) 1) (not (regexMatch "^[0-9]+$" (first (append $values "") | toString))) }}
- {{ printf "%s: %s compares with one whole number from 0, in quotes" $where $r.operator | quote }}
{{- end }}
{{- end }}
{{- if and (has $r.operator (list "Gte" "Lte")) (semverCompare "<1.30-0" (print .runtime.global.eksVersion ".0")) }}
- {{ printf "%s: %s needs Karpenter 1.14, and EKS %s has an older one: use Gt or Lt" $where $r.operator .runtime.global.eksVersion | quote }}
{{- end }}
{{- if and $r.minValues (eq $r.operator "In") (lt (len $values) (int $r.minValues)) }}
- {{ printf "%s: minValues %d is more than its %d values: lower it or add values" $where (int $r.minValues) (len $values) | quote }}
{{- end }}
{{- end -}}

{{- define "sd-runtimes.problems.nodeTemplate" -}}
{{- $n := .runtime.karpenter.nodeTemplate -}}
{{- $where := print .where ".karpenter.nodeTemplate" -}}
{{- if not $n.iamRole }}
- {{ printf "%s.iamRole is empty: name the role of the nodes (`generator build` does)" $where | quote }}
{{- end }}
{{- range $key := list "securityGroupSelector" "subnetSelector" }}
{{- $tags := get $n $key }}
{{- if or (hasKey $tags "") (has "" (values $tags)) }}
- {{ printf "%s.%s has an empty key or value, and Karpenter refuses those: give both, `*` for any value" $where $key | quote }}
{{- end }}
{{- if gt (len $tags) 20 }}
- {{ printf "%s.%s has %d tags, and Karpenter takes 20: take some away" $where $key (len $tags) | quote }}
{{- end }}
{{- end }}
{{- range $key, $value := mustMergeOverwrite dict .runtime.global.tags $n.tags }}
{{- if or (eq $key "") (has $key (list "eks:eks-cluster-name" "karpenter.sh/nodepool" "karpenter.sh/nodeclaim" "karpenter.k8s.aws/ec2nodeclass")) (hasPrefix "kubernetes.io/cluster" $key) (hasPrefix "aws:" $key) }}
- {{ printf "%s.tags: %q is a tag of AWS or Karpenter: choose another" $where $key | quote }}
{{- end }}
{{- end }}
{{- range $volume := list "osVolume" "dataVolume" }}
{{- include "sd-runtimes.problems.volume" (dict "volume" (get $n $volume) "where" (printf "%s.%s" $where $volume)) }}
{{- end }}
{{- if and (contains "ephemeral-storage" $n.userData) (include "sd-runtimes.raid" .runtime) }}
- {{ printf "%s.userData sets the instance storage up, and instanceStorePolicy RAID0 does too: take the commands out of userData, or set instanceStorePolicy None" $where | quote }}
{{- end }}
{{- end -}}

{{- /* sd-runtimes.problems.volume (volume, where): what EC2 refuses when it starts the instance. */ -}}
{{- define "sd-runtimes.problems.volume" -}}
{{- $v := .volume -}}
{{- if and (eq $v.volumeType "gp2") $v.iops }}
- {{ printf "%s: a gp2 volume takes no iops: set iops to null, or volumeType to gp3" .where | quote }}
{{- end }}
{{- if and (ne $v.volumeType "gp3") $v.throughput }}
- {{ printf "%s: only gp3 volumes take throughput, not %s: set throughput to null" .where $v.volumeType | quote }}
{{- end }}
{{- if and (hasPrefix "io" $v.volumeType) (not $v.iops) }}
- {{ printf "%s: an %s volume needs iops: set it" .where $v.volumeType | quote }}
{{- end }}
{{- $needed := mul 4 (int ($v.throughput | default 0)) }}
{{- if and (eq $v.volumeType "gp3") (gt $needed (max 3000 (int ($v.iops | default 0)))) }}
- {{ printf "%s: throughput %d needs %d iops: raise iops or lower throughput" .where (int $v.throughput) $needed | quote }}
{{- end }}
{{- end -}}
