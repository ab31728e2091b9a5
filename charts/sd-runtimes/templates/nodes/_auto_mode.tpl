{{- /* EKS Auto Mode: what differs in a NodePool, and the checks of values that its nodes cannot have. */ -}}

{{- /* sd-runtimes.autoMode (runtime): files/auto-mode.yaml, as YAML. */ -}}
{{- define "sd-runtimes.autoMode" -}}
{{ .files.Get "files/auto-mode.yaml" }}
{{- end -}}

{{- /* sd-runtimes.nodeClassRef (runtime): the reference of the NodePool to its EC2NodeClass or, on Auto Mode, NodeClass. */ -}}
{{- define "sd-runtimes.nodeClassRef" -}}
group: {{ ternary "eks.amazonaws.com" "karpenter.k8s.aws" .global.autoMode }}
kind: {{ ternary "NodeClass" "EC2NodeClass" .global.autoMode }}
name: {{ include "sd-runtimes.name.nodePool" . | quote }}
{{- end -}}

{{- /* sd-runtimes.autoMode.reservation (term): a term of capacityReservationSelectorTerms, in which ownerID is `owner`. */ -}}
{{- define "sd-runtimes.autoMode.reservation" -}}
{{- $term := omit . "ownerID" -}}
{{- with .ownerID }}{{ $_ := set $term "owner" . }}{{ end -}}
{{- toYaml $term -}}
{{- end -}}

{{- /* sd-runtimes.seconds (duration): a duration such as 1h30m in seconds; Never is more than any limit. */ -}}
{{- define "sd-runtimes.seconds" -}}
{{- $units := dict "s" 1 "m" 60 "h" 3600 -}}
{{- $seconds := ternary 1000000000 0 (eq . "Never") -}}
{{- range $part := regexFindAll "[0-9]+[smh]" . -1 -}}
{{- $seconds = add $seconds (mul (regexFind "[0-9]+" $part | int64) (get $units (regexFind "[smh]" $part))) -}}
{{- end -}}
{{ $seconds }}
{{- end -}}

{{- /* sd-runtimes.problems.autoMode (runtime, where): what a NodeClass or NodePool of EKS Auto Mode cannot have. */ -}}
{{- define "sd-runtimes.problems.autoMode" -}}
{{- if .runtime.global.autoMode }}
{{- $facts := include "sd-runtimes.autoMode" .runtime | fromYaml }}
{{- $p := .runtime.karpenter.provisioner }}
{{- $n := .runtime.karpenter.nodeTemplate }}
{{- $where := print .where ".karpenter" }}
{{- $own := dig "karpenter" "nodeTemplate" dict .runtime.entry }}
{{- if not (semverCompare (printf ">=%s-0" $facts.eks) (print .runtime.global.eksVersion ".0")) }}
- {{ printf "%s: EKS Auto Mode needs EKS %s or later: set global.eksVersion" .where $facts.eks | quote }}
{{- end }}
{{- range $key := $facts.absent }}
{{- if get $own $key }}
- {{ printf "%s.nodeTemplate.%s: on EKS Auto Mode, AWS chooses the operating system and its volume: remove it" $where $key | quote }}
{{- end }}
{{- end }}
{{- range $key := $facts.absentOfVolume }}
{{- if get $n.dataVolume $key }}
- {{ printf "%s.nodeTemplate.dataVolume.%s: volumes of EKS Auto Mode have no snapshot: remove it" $where $key | quote }}
{{- end }}
{{- end }}
{{- if ne $n.dataVolume.volumeType "gp3" }}
- {{ printf "%s.nodeTemplate.dataVolume.volumeType: volumes of EKS Auto Mode are gp3, not %s: remove it" $where $n.dataVolume.volumeType | quote }}
{{- end }}
{{- if not $n.dataVolume.deleteOnTermination }}
- {{ printf "%s.nodeTemplate.dataVolume.deleteOnTermination: EKS Auto Mode deletes the volumes of a node: remove it" $where | quote }}
{{- end }}
{{- range $key := list "iops" "throughput" }}
{{- $limits := get $facts $key }}
{{- $value := get $n.dataVolume $key }}
{{- if and $value (or (lt (int $value) (int $limits.minimum)) (gt (int $value) (int $limits.maximum))) }}
- {{ printf "%s.nodeTemplate.dataVolume.%s: EKS Auto Mode accepts %d to %d: change %d" $where $key (int $limits.minimum) (int $limits.maximum) (int $value) | quote }}
{{- end }}
{{- end }}
{{- if eq $n.instanceStorePolicy "None" }}
- {{ printf "%s.nodeTemplate.instanceStorePolicy: EKS Auto Mode always uses the NVMe disks of an instance: remove None" $where | quote }}
{{- end }}
{{- range $n.capacityReservationSelectorTerms }}
{{- if .instanceMatchCriteria }}
- {{ printf "%s.nodeTemplate.capacityReservationSelectorTerms: EKS Auto Mode selects reservations by id or tags: remove instanceMatchCriteria" $where | quote }}
{{- end }}
{{- end }}
{{- $labels := keys $p.labels }}
{{- range $p.extraRequirements }}{{ $labels = append $labels .key }}{{ end }}
{{- range $key := $labels | uniq | sortAlpha }}
{{- $unknown := and (hasPrefix "eks.amazonaws.com/" $key) (not (has (trimPrefix "eks.amazonaws.com/" $key) $facts.labels)) }}
{{- if or $unknown (hasPrefix "karpenter.k8s.aws/" $key) (has $key $facts.unsupportedLabels) }}
- {{ printf "%s.provisioner: nodes of EKS Auto Mode do not have the label %s: use one of AWS's, with the prefix eks.amazonaws.com/, or your own domain" $where $key | quote }}
{{- end }}
{{- end }}
{{- range $key := keys (mustMergeOverwrite dict .runtime.global.tags $n.tags) | sortAlpha }}
{{- if has $key $facts.forbiddenTags }}
- {{ printf "%s.nodeTemplate.tags: %q is reserved by EKS Auto Mode: choose another key" $where $key | quote }}
{{- end }}
{{- end }}
{{- $drain := include "sd-runtimes.drain" .runtime | int64 }}
{{- if gt (add (include "sd-runtimes.seconds" $p.disruption.expireAfter | int64) $drain) (mul 3600 $facts.maxLifetimeHours) }}
- {{ printf "%s.provisioner.disruption.expireAfter: with %d s to drain, %s is more than the %v h that a node of EKS Auto Mode may live: set %s" $where $drain $p.disruption.expireAfter $facts.maxLifetimeHours $facts.expireAfter | quote }}
{{- end }}
{{- end }}
{{- end -}}
