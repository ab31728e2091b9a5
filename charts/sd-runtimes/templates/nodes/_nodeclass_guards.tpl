{{- /* Checks of single parts of an EC2NodeClass. */ -}}

{{- /* sd-runtimes.problems.reservation (term, where): what the EC2NodeClass CRD rejects. */ -}}
{{- define "sd-runtimes.problems.reservation" -}}
{{- if and .term.id (gt (len .term) 1) }}
- {{ printf "%s: id %s is set together with other keys: remove them, or id" .where .term.id | quote }}
{{- else if not (or .term.id .term.tags .term.instanceMatchCriteria) }}
- {{ printf "%s: a term has neither id, tags nor instanceMatchCriteria: set one" .where | quote }}
{{- end }}
{{- if or (hasKey (.term.tags | default dict) "") (has "" (values (.term.tags | default dict))) }}
- {{ printf "%s has a tag with an empty key or value, which Karpenter rejects: set both, `*` for any value" .where | quote }}
{{- end }}
{{- if gt (len (.term.tags | default dict)) 20 }}
- {{ printf "%s has a term with %d tags; the maximum is 20: remove some" .where (len .term.tags) | quote }}
{{- end }}
{{- end -}}

{{- /* sd-runtimes.problems.volume (volume, rules, where): what Karpenter's CRD or EC2 rejects. `rules`: sd-runtimes.karpenter. */ -}}
{{- define "sd-runtimes.problems.volume" -}}
{{- $v := .volume -}}
{{- if and (eq $v.volumeType "gp2") $v.iops }}
- {{ printf "%s: gp2 volumes do not take iops: set iops to null, or volumeType to gp3" .where | quote }}
{{- end }}
{{- if and (ne $v.volumeType "gp3") $v.throughput }}
- {{ printf "%s: %s volumes do not take throughput: set throughput to null" .where $v.volumeType | quote }}
{{- end }}
{{- $unit := regexFind "[A-Za-z]+$" $v.volumeSize }}
{{- if gt (trimSuffix $unit $v.volumeSize | int64) (get .rules.volumeSizes $unit | int64) }}
- {{ printf "%s.volumeSize: Karpenter does not accept %s: with the unit %s the maximum is %v; write larger sizes in Gi" .where $v.volumeSize $unit (get .rules.volumeSizes $unit) | quote }}
{{- end }}
{{- if and (has $v.volumeType (list "io1" "io2")) (not $v.iops) }}
- {{ printf "%s: an %s volume needs iops: set it" .where $v.volumeType | quote }}
{{- end }}
{{- if and $v.volumeInitializationRate (not $v.snapshotID) }}
- {{ printf "%s: volumeInitializationRate needs snapshotID: set it, or remove the rate" .where | quote }}
{{- end }}
{{- $needed := mul 4 (int ($v.throughput | default 0)) }}
{{- if and (eq $v.volumeType "gp3") (gt $needed (max 3000 (int ($v.iops | default 0)))) }}
- {{ printf "%s: throughput %d needs %d iops: raise iops or lower throughput" .where (int $v.throughput) $needed | quote }}
{{- end }}
{{- end -}}
