{{- /* Checks of NodePool and EC2NodeClass: what Karpenter's CRDs reject. */ -}}

{{- /* sd-runtimes.problems.nodes (runtime, where): checks of the NodePool. */ -}}
{{- define "sd-runtimes.problems.nodes" -}}
{{- $p := .runtime.karpenter.provisioner -}}
{{- $where := print .where ".karpenter.provisioner" -}}
{{- if not (or $p.capacityType.onDemand $p.capacityType.spot .runtime.karpenter.nodeTemplate.capacityReservationSelectorTerms) }}
- {{ printf "%s.capacityType: onDemand and spot are both off: turn one on, or select reserved capacity" $where | quote }}
{{- end }}
{{- include "sd-runtimes.problems.labels" (dict "labels" $p.labels "where" (print $where ".labels")) }}
{{- include "sd-runtimes.problems.keys" (dict "keys" (keys $p.annotations) "where" (print $where ".annotations")) }}
{{- if gt (len $p.labels) 100 }}
- {{ printf "%s.labels has %d labels; the maximum is 100: remove some" $where (len $p.labels) | quote }}
{{- end }}
{{- range $key := keys $p.labels | sortAlpha }}
{{- if include "sd-runtimes.restricted" (dict "runtime" $.runtime "key" $key) }}
- {{ printf "%s.labels: Karpenter does not allow %s: use your own domain" $where $key | quote }}
{{- end }}
{{- end }}
{{- range $p.extraRequirements }}
{{- include "sd-runtimes.problems.requirement" (dict "requirement" . "where" $where "runtime" $.runtime) }}
{{- end }}
{{- $taints := list }}
{{- range (.runtime.files.Get "files/reserved.yaml" | fromYaml).nodeTaints }}{{ $taints = append $taints (printf "%s:NoSchedule" .) }}{{ end }}
{{- range $p.extraTaints }}
{{- $taint := printf "%s:%s" .key .effect }}
{{- include "sd-runtimes.problems.labels" (dict "labels" (dict .key (.value | default "")) "where" (print $where ".extraTaints")) }}
{{- if has $taint $taints }}
- {{ printf "%s.extraTaints: the nodes already have a taint %s: remove it" $where $taint | quote }}
{{- end }}
{{- $taints = append $taints $taint }}
{{- end }}
{{- end -}}

{{- /* sd-runtimes.karpenter (runtime): the row of files/karpenter.yaml for the EKS version, as YAML. */ -}}
{{- define "sd-runtimes.karpenter" -}}
{{- $rules := .files.Get "files/karpenter.yaml" | fromYaml -}}
{{- $row := first $rules.versions -}}
{{- range $rules.versions }}
{{- if semverCompare (printf ">=%s-0" .eks) (print $.global.eksVersion ".0") }}{{ $row = . }}{{ end }}
{{- end -}}
{{- mergeOverwrite (omit $rules "versions") $row | toYaml -}}
{{- end -}}

{{- /* sd-runtimes.restricted (runtime, key): "true" for a label or requirement that the NodePool CRD rejects. */ -}}
{{- define "sd-runtimes.restricted" -}}
{{- $rules := include "sd-runtimes.karpenter" .runtime | fromYaml -}}
{{- $domain := splitList "/" .key | first -}}
{{- $reserved := false -}}
{{- range $rules.reservedDomains }}{{ $reserved = or $reserved (hasSuffix . $domain) }}{{ end -}}
{{- range $rules.allowedDomains }}{{ if hasSuffix . $domain }}{{ $reserved = false }}{{ end }}{{ end -}}
{{- if or (has .key $rules.forbiddenLabels) (and $reserved (not (has .key (concat $rules.allowedLabels $rules.newLabels)))) -}}
true
{{- end -}}
{{- end -}}

{{- /* sd-runtimes.problems.requirement (requirement, where, runtime): one entry of extraRequirements. */ -}}
{{- define "sd-runtimes.problems.requirement" -}}
{{- $r := .requirement -}}
{{- $where := printf "%s.extraRequirements: %s" .where $r.key -}}
{{- $values := $r.values | default list -}}
{{- include "sd-runtimes.problems.keys" (dict "keys" (list $r.key) "where" (print .where ".extraRequirements")) }}
{{- if include "sd-runtimes.restricted" (dict "runtime" .runtime "key" $r.key) }}
- {{ printf "%s: Karpenter does not allow this label: use one that Karpenter documents, or your own domain" $where | quote }}
{{- end }}
{{- if and (has $r.operator (list "In" "NotIn")) (not $values) }}
- {{ printf "%s: %s needs values: add at least one" $where $r.operator | quote }}
{{- else if and (has $r.operator (list "Exists" "DoesNotExist")) $values }}
- {{ printf "%s: %s takes no values: remove them" $where $r.operator | quote }}
{{- else if has $r.operator (list "Gt" "Lt" "Gte" "Lte") }}
{{- if or (ne (len $values) 1) (not (regexMatch "^[0-9]{1,18}$" (first (append $values "") | toString))) }}
- {{ printf "%s: %s takes one integer: write it in quotes" $where $r.operator | quote }}
{{- end }}
{{- else }}
{{- range $value := $values }}
{{- if not (regexMatch "^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$" (toString $value)) }}
- {{ printf "%s: %q is not a valid value in Kubernetes: write at most 63 letters, digits, `-`, `_` and `.`" $where (toString $value) | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- if not (has $r.operator (include "sd-runtimes.karpenter" .runtime | fromYaml).operators) }}
- {{ printf "%s: the Karpenter of EKS %s does not support the operator %s: use Gt or Lt" $where .runtime.global.eksVersion $r.operator | quote }}
{{- end }}
{{- if and $r.minValues (eq $r.operator "In") (lt (len $values) (int $r.minValues)) }}
- {{ printf "%s: minValues is %d, but there are %d values: lower it or add values" $where (int $r.minValues) (len $values) | quote }}
{{- end }}
{{- end -}}

{{- /* sd-runtimes.problems.nodeTemplate (runtime, where): checks of the EC2NodeClass. */ -}}
{{- define "sd-runtimes.problems.nodeTemplate" -}}
{{- $n := .runtime.karpenter.nodeTemplate -}}
{{- $where := print .where ".karpenter.nodeTemplate" -}}
{{- if not $n.iamRole }}
- {{ printf "%s.iamRole is empty: set the role of the nodes, as `generator build` does" $where | quote }}
{{- end }}
{{- range $key := list "securityGroupSelector" "subnetSelector" }}
{{- $tags := get $n $key }}
{{- if or (hasKey $tags "") (has "" (values $tags)) }}
- {{ printf "%s.%s has an empty key or value, which Karpenter rejects: set both, `*` for any value" $where $key | quote }}
{{- end }}
{{- if gt (len $tags) 20 }}
- {{ printf "%s.%s has %d tags; the maximum is 20: remove some" $where $key (len $tags) | quote }}
{{- end }}
{{- end }}
{{- $rules := include "sd-runtimes.karpenter" .runtime | fromYaml }}
{{- range $key, $value := mustMergeOverwrite dict .runtime.global.tags $n.tags }}
{{- $reserved := or (eq $key "") (has $key $rules.forbiddenTags) (hasPrefix "aws:" $key) }}
{{- range $rules.forbiddenTagPrefixes }}{{ $reserved = or $reserved (hasPrefix . $key) }}{{ end }}
{{- if $reserved }}
- {{ printf "%s.tags: %q is reserved by AWS or Karpenter: choose another key" $where $key | quote }}
{{- end }}
{{- end }}
{{- range $n.capacityReservationSelectorTerms }}
{{- include "sd-runtimes.problems.reservation" (dict "term" . "where" (print $where ".capacityReservationSelectorTerms")) }}
{{- end }}
{{- range $volume := list "osVolume" "dataVolume" }}
{{- include "sd-runtimes.problems.volume" (dict "volume" (get $n $volume) "rules" $rules "where" (printf "%s.%s" $where $volume)) }}
{{- end }}
{{- $commands := regexMatch `["']apiclient["']\s*,\s*["']ephemeral-storage["']` (include "sd-runtimes.toml" $n.userData) }}
{{- if and $commands (include "sd-runtimes.raid" .runtime) }}
- {{ printf "%s.userData and instanceStorePolicy RAID0 both set up the instance storage: remove the commands from userData, or set instanceStorePolicy to None" $where | quote }}
{{- end }}
{{- end -}}
