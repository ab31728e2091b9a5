{{- /* Checks of pods and their containers. */ -}}

{{- /* sd-runtimes.problems.names (runtime, where): names, labels and annotations. */ -}}
{{- define "sd-runtimes.problems.names" -}}
{{- $volume := include "sd-runtimes.name.volume" .runtime -}}
{{- if gt (len $volume) 63 }}
- {{ printf "%s: the name %s has %d characters; the maximum of a label is 63: shorten the runtime's name or global.stackName by %d" .where $volume (len $volume) (sub (len $volume) 63) | quote }}
{{- end }}
{{- include "sd-runtimes.problems.labels" (dict "labels" .runtime.runtime.labels "where" (print .where ".runtime.labels")) }}
{{- include "sd-runtimes.problems.labels" (dict "labels" .runtime.runtime.persistence.labels "where" (print .where ".runtime.persistence.labels")) }}
{{- include "sd-runtimes.problems.keys" (dict "keys" (keys .runtime.runtime.annotations) "where" (print .where ".runtime.annotations")) }}
{{- include "sd-runtimes.problems.keys" (dict "keys" (keys .runtime.runtime.persistence.annotations) "where" (print .where ".runtime.persistence.annotations")) }}
{{- end -}}

{{- /* sd-runtimes.problems.keys (keys, where): keys of labels and annotations must be `name` or `domain/name`. */ -}}
{{- define "sd-runtimes.problems.keys" -}}
{{- range $key := .keys | sortAlpha }}
{{- if or (not (regexMatch "^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$" $key)) (gt (len (splitList "/" $key | first)) 253) }}
- {{ printf "%s: %q is not a valid key in Kubernetes: write name or domain/name, with at most 63 letters, digits, `-`, `_` and `.` in the name" $.where $key | quote }}
{{- end }}
{{- end -}}
{{- end -}}

{{- /* sd-runtimes.problems.labels (labels, where): keys and values of labels. */ -}}
{{- define "sd-runtimes.problems.labels" -}}
{{- include "sd-runtimes.problems.keys" (dict "keys" (keys .labels) "where" .where) }}
{{- range $key, $value := .labels }}
{{- if not (regexMatch "^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$" $value) }}
- {{ printf "%s: %q is not a valid value for %s in Kubernetes: write at most 63 letters, digits, `-`, `_` and `.`" $.where $value $key | quote }}
{{- end }}
{{- end -}}
{{- end -}}

{{- /* sd-runtimes.problems.type (runtime, where): what each type of runtime requires. */ -}}
{{- define "sd-runtimes.problems.type" -}}
{{- $rt := .runtime -}}
{{- $api := $rt.runtime.inferenceApi -}}
{{- if eq $rt.type "sdwebui" }}
{{- if not (or $rt.dynamicModel $rt.modelFilename) }}
- {{ printf "%s.modelFilename is empty: set the checkpoint to load, or dynamicModel" .where | quote }}
{{- else if and $rt.modelFilename (or (regexMatch "^([^/[:cntrl:]]+/)*[^/[:cntrl:]]+\\.(safetensors|ckpt)$" $rt.modelFilename | not) (has ".." (splitList "/" $rt.modelFilename)) (regexMatch "(?i)^models/|(^|/)stable-diffusion/|(^|/)\\./|\\\\|^ " $rt.modelFilename)) }}
- {{ printf "%s.modelFilename: %q is not a valid checkpoint: set the path of a .safetensors or .ckpt file below Stable-diffusion/" .where $rt.modelFilename | quote }}
{{- end }}
{{- else if eq $rt.type "custom" }}
{{- range $key := list "probePath" "taskPath" }}
{{- if not (get $api $key) }}
- {{ printf "%s.runtime.inferenceApi.%s is empty: set it, a custom runtime has no default" $.where $key | quote }}
{{- end }}
{{- end }}
{{- if not (and $api.image.repository (or $api.image.tag $api.image.digest)) }}
- {{ printf "%s.runtime.inferenceApi.image is incomplete: set repository, and tag or digest" .where | quote }}
{{- end }}
{{- $agentPort := include "sd-runtimes.agentPort" $rt | int }}
{{- if eq (int $api.port) $agentPort }}
- {{ printf "%s.runtime.inferenceApi.port: the queue agent listens on %d: choose another port" .where $agentPort | quote }}
{{- end }}
{{- end -}}
{{- end -}}

{{- /* sd-runtimes.problems.containers (runtime, where): the agent's settings, mounts, resources. */ -}}
{{- define "sd-runtimes.problems.containers" -}}
{{- $agent := .runtime.runtime.queueAgent -}}
{{- range $key := list "sqsQueueUrl" "deadLetterQueueUrl" "s3Bucket" "snsTopicArn" }}
{{- if not (get $agent $key) }}
- {{ printf "%s.runtime.queueAgent.%s is empty: set it, as `generator build` does" $.where $key | quote }}
{{- end }}
{{- end }}
{{- /* By account and name: SQS has more than one host name. */ -}}
{{- $queue := regexFind "[^/]+/[^/]+$" $agent.sqsQueueUrl }}
{{- $dead := regexFind "[^/]+/[^/]+$" $agent.deadLetterQueueUrl }}
{{- $high := regexFind "[^/]+/[^/]+$" ($agent.highPriorityQueueUrl | default "") }}
{{- if and $queue (eq $queue $dead) }}
- {{ printf "%s.runtime.queueAgent.deadLetterQueueUrl is the queue itself: use another queue for tasks that failed" .where | quote }}
{{- end }}
{{- if and $high (eq $high $dead) }}
- {{ printf "%s.runtime.queueAgent.highPriorityQueueUrl is the dead-letter queue: use another queue for tasks of high priority" .where | quote }}
{{- else if and $high (eq $high $queue) }}
- {{ printf "%s.runtime.queueAgent.highPriorityQueueUrl is the queue of all tasks: use another queue for tasks of high priority" .where | quote }}
{{- end }}
{{- if eq (splitList "/" $agent.xray.daemon.image.repository | last) "aws-xray-daemon" }}
- {{ printf "%s.runtime.queueAgent.xray.daemon.image: the X-Ray daemon does not support OpenTelemetry: remove it to use the collector" .where | quote }}
{{- end }}
{{- include "sd-runtimes.problems.mountPath" . }}
{{- $profile := include "sd-runtimes.profile" .runtime | fromYaml }}
{{- include "sd-runtimes.problems.arguments" (dict "runtime" .runtime "where" .where "profile" $profile) }}
{{- include "sd-runtimes.problems.fixedEnv" (dict "runtime" .runtime "where" .where "profile" $profile) }}
{{- range $part := list "inferenceApi" "queueAgent" }}
{{- include "sd-runtimes.problems.env" (dict "extra" (get $.runtime.runtime $part).extraEnv "where" (printf "%s.runtime.%s.extraEnv" $.where $part)) }}
{{- $r := (get $.runtime.runtime $part).resources }}
{{- $gpu := toString (get ($r.limits | default dict) "nvidia.com/gpu") }}
{{- $request := toString (get ($r.requests | default dict) "nvidia.com/gpu") }}
{{- if and $request (ne $gpu $request) }}
- {{ printf "%s.runtime.%s.resources: requests have %s GPUs and limits %s: set both to the same number" $.where $part $request ($gpu | default "0") | quote }}
{{- else if and (eq $part "inferenceApi") (not $gpu) }}
- {{ printf "%s.runtime.inferenceApi.resources.limits has no nvidia.com/gpu: set 1 or more" $.where | quote }}
{{- end }}
{{- range $resource := list "cpu" "memory" "ephemeral-storage" }}
{{- $limit := get ($r.limits | default dict) $resource }}
{{- $request := get ($r.requests | default dict) $resource }}
{{- if and $limit $request (gt (include "sd-runtimes.quantity" $request | float64) (include "sd-runtimes.quantity" $limit | float64)) }}
- {{ printf "%s.runtime.%s.resources: the request %v for %s is above the limit %v: raise the limit or lower the request" $.where $part $request $resource $limit | quote }}
{{- end }}
{{- end }}
{{- end -}}
{{- end -}}

{{- /*
sd-runtimes.problems.mountPath (runtime, where): no volume can be mounted over another one, or below a read-only one, where
the container runtime cannot create the folder.
*/ -}}
{{- define "sd-runtimes.problems.mountPath" -}}
{{- $path := clean .runtime.runtime.inferenceApi.modelMountPath }}
{{- $other := "" }}
{{- $mounts := list "/etc/sd-on-eks" (include "sd-runtimes.direct.folder" .runtime) }}
{{- range (include "sd-runtimes.profile" .runtime | fromYaml).scratch }}{{ $mounts = append $mounts .path }}{{ end }}
{{- range $mounts }}
{{- if or (eq $path .) (hasPrefix (printf "%s/" $path) .) }}{{ $other = . }}{{ end }}
{{- end }}
{{- if hasPrefix "/etc/sd-on-eks/" $path }}{{ $other = "/etc/sd-on-eks" }}{{ end }}
{{- if $other }}
- {{ printf "%s.runtime.inferenceApi.modelMountPath: %s conflicts with the volume that is mounted at %s: choose another path" .where $path $other | quote }}
{{- end }}
{{- end -}}

{{- /* sd-runtimes.problems.env (extra, where): a variable of a list has a value or its source. */ -}}
{{- define "sd-runtimes.problems.env" -}}
{{- if kindIs "slice" .extra }}
{{- range .extra }}
{{- if and .valueFrom (ne (kindIs "invalid" .value | ternary "" .value | toString) "") }}
- {{ printf "%s: %s has both value and valueFrom: remove one of them" $.where .name | quote }}
{{- end }}
{{- end }}
{{- end -}}
{{- end -}}

{{- /* sd-runtimes.quantity (quantity): a Kubernetes quantity as a plain number, for comparisons. */ -}}
{{- define "sd-runtimes.quantity" -}}
{{- $text := toString . -}}
{{- $unit := regexFind "[A-Za-z]+$" $text -}}
{{- $factors := dict "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "Pi" 1125899906842624 -}}
{{- mulf (trimSuffix $unit $text | float64) (get $factors $unit | default 1) -}}
{{- end -}}
