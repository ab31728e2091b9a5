{{- /*
sd-runtimes.hpaBehavior (scaling): the HPA's behavior between 1 and N pods. The window covers a pause between tasks,
since a new pod takes minutes; see bench/scaling.py for a comparison. A pod that is removed finishes its task first.
*/ -}}
{{- define "sd-runtimes.hpaBehavior" -}}
{{- $behavior := dict "scaleDown" (dict "stabilizationWindowSeconds" 150) -}}
{{- include "sd-runtimes.merge" (dict "into" $behavior "over" .extraHPAConfig) -}}
{{- toYaml $behavior -}}
{{- end -}}

{{- /* sd-runtimes.queueTrigger (runtime, url, name): pods for the messages of a queue. The name is one of the formula. */ -}}
{{- define "sd-runtimes.queueTrigger" -}}
{{- $rt := .runtime -}}
- type: aws-sqs-queue
  {{- if $rt.runtime.queueAgent.highPriorityQueueUrl }}
  name: {{ .name }}
  {{- end }}
  authenticationRef:
    name: {{ $rt.name | quote }}
  # All values are strings: KEDA's CRD accepts no numbers or booleans here.
  metadata:
    queueURL: {{ .url | quote }}
    awsRegion: {{ $rt.global.region | quote }}
    queueLength: {{ int $rt.runtime.scaling.queueLength | quote }}
    scaleOnInFlight: {{ $rt.runtime.scaling.scaleOnInFlight | quote }}
    {{- with $rt.global.awsEndpoint }}
    awsEndpoint: {{ . | quote }}
    {{- end }}
{{- end -}}

{{- /*
sd-runtimes.scalingFormula (scaling): the number of pods, from the messages of two queues and the hours of scaling.warm.
A cron trigger is 1 outside of its hours, so those here ask for one more than they want.
*/ -}}
{{- define "sd-runtimes.scalingFormula" -}}
{{- $pods := printf "(tasks + high) / %d" (int .queueLength) -}}
{{- $warm := list -}}
{{- range $index, $entry := .warm -}}
{{- if and $entry.start $entry.pods -}}
{{- $warm = append $warm (printf "warm%d - 1" $index) -}}
{{- end -}}
{{- end -}}
{{- if $warm -}}max({{ $pods }}, {{ join ", " $warm }}){{ else }}{{ $pods }}{{ end -}}
{{- end -}}
