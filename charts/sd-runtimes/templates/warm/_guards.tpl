{{- /* Checks of what is kept warm. */ -}}

{{- /* sd-runtimes.problems.warm (runtime, where): the entries of scaling.warm. */ -}}
{{- define "sd-runtimes.problems.warm" -}}
{{- $s := .runtime.runtime.scaling -}}
{{- range $index, $entry := $s.warm }}
{{- $where := printf "%s.runtime.scaling.warm[%d]" $.where $index }}
{{- if not $s.enabled }}
- {{ printf "%s: scaling.enabled is false, so KEDA keeps nothing warm: remove the entry, or set enabled to true" $where | quote }}
{{- else if not (or .pods .nodes) }}
- {{ printf "%s: it keeps nothing: set pods or nodes" $where | quote }}
{{- else if ne (empty .start) (empty .end) }}
- {{ printf "%s: start and end belong together: set both, or neither" $where | quote }}
{{- else if and .pods (not .start) }}
- {{ printf "%s: pods without hours: set start and end, or use scaling.minReplicaCount" $where | quote }}
{{- else if gt (int (.pods | default 0)) (int $s.maxReplicaCount) }}
- {{ printf "%s: pods %d is above maxReplicaCount %d: lower one or raise the other" $where (int .pods) (int $s.maxReplicaCount) | quote }}
{{- else if .start }}
{{- range $key := list "start" "end" }}
{{- if not (include "sd-runtimes.cronIsValid" (get $entry $key)) }}
- {{ printf "%s.%s: %q is not a cron expression: write minute, hour, day of month, month and day of week, such as 0 8 * * 1-5" $where $key (get $entry $key) | quote }}
{{- end }}
{{- end }}
{{- if eq (splitList " " .start | compact | join " ") (splitList " " .end | compact | join " ") }}
- {{ printf "%s: start and end are the same: set the time at which the hours end" $where | quote }}
{{- end }}
{{- end }}
{{- end -}}
{{- end -}}

{{- /* sd-runtimes.cronIsValid (text): "true" for five fields that KEDA can read. */ -}}
{{- define "sd-runtimes.cronIsValid" -}}
{{- $months := "(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)" -}}
{{- $days := "(?i:sun|mon|tue|wed|thu|fri|sat)" -}}
{{- $numbers := list "[0-5]?[0-9]" "(?:[01]?[0-9]|2[0-3])" "(?:0?[1-9]|[12][0-9]|3[01])" (printf "(?:0?[1-9]|1[0-2]|%s)" $months) (printf "(?:0?[0-6]|%s)" $days) -}}
{{- $fields := splitList " " . | compact -}}
{{- $valid := eq (len $fields) 5 -}}
{{- range $index, $number := $numbers -}}
{{- $field := ternary (index $fields (min $index (sub (len $fields) 1))) "" $valid -}}
{{- $item := printf `(?:[*?]|%s(?:-%s)?)(?:/[1-9][0-9]?)?` $number $number -}}
{{- if not (regexMatch (printf `^%s(?:,%s)*$` $item $item) $field) }}{{ $valid = false }}{{ end -}}
{{- range regexFindAll "[0-9]+-[0-9]+" $field -1 -}}
{{- $range := splitList "-" . -}}
{{- if gt (first $range | trimPrefix "0" | int) (last $range | trimPrefix "0" | int) }}{{ $valid = false }}{{ end -}}
{{- end -}}
{{- end -}}
{{- if $valid }}true{{ end -}}
{{- end -}}

{{- /* sd-runtimes.problems.placeholderNames (root): the placeholders of one runtime are not another runtime. */ -}}
{{- define "sd-runtimes.problems.placeholderNames" -}}
{{- range $name, $entry := .Values.runtimes }}
{{- $rt := dict }}{{ include "sd-runtimes.resolve" (dict "root" $ "name" $name "entry" $entry "into" $rt) }}
{{- $placeholder := include "sd-runtimes.name.placeholder" $rt }}
{{- if and (hasKey $.Values.runtimes $placeholder) (include "sd-runtimes.placeholders" $rt.runtime.scaling | fromYaml).most }}
- {{ printf "runtimes.%s: the Deployment %s is that of the placeholders of %s: choose another name" $placeholder $placeholder $name | quote }}
{{- end }}
{{- end }}
{{- end -}}
