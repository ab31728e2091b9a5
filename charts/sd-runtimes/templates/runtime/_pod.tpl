{{- /*
sd-runtimes.env.runtime (runtime, profile): the user's variables override those of the type, which override the
profile's. The first four are for `$(NAME)` in commands and for custom images. EXTRA_CMD_ARG is the last one, so that
`$(NAME)` in the arguments can be every other variable, as in the `args` of a custom runtime.
*/ -}}
{{- define "sd-runtimes.env.runtime" -}}
{{- $rt := .runtime -}}
{{- $api := $rt.runtime.inferenceApi -}}
{{- $env := dict "MODELS_PATH" $api.modelMountPath "RUNTIME_PORT" (include "sd-runtimes.port" $rt) "TASK_TIMEOUT_SECONDS" (int $rt.runtime.queueAgent.taskTimeoutSeconds | toString) -}}
{{- include "sd-runtimes.merge" (dict "into" $env "over" (.profile.env | default dict)) -}}
{{- $arguments := .profile.arguments | default list -}}
{{- if eq $rt.type "sdwebui" -}}
{{- if $rt.modelFilename -}}
{{- /* The kubelet would read $(NAME) and $$ in a value. */ -}}
{{- $_ := set $env "SD_MODEL_CHECKPOINT" (replace "$" "$$" $rt.modelFilename) -}}
{{- else -}}
{{- $_ := set $env "DYNAMIC_SD_MODEL" "true" -}}
{{- $arguments = concat $arguments .profile.dynamicArguments -}}
{{- end -}}
{{- end -}}
{{- include "sd-runtimes.env" (dict "own" $env "extra" $api.extraEnv) }}
- name: EXTRA_CMD_ARG
  value: {{ include "sd-runtimes.words" $api.commandArguments | fromJsonArray | concat $arguments | include "sd-runtimes.quoted" | quote }}
{{- end -}}

{{- /* sd-runtimes.port (runtime): set by the user for a custom runtime; the other profiles listen on 8080. */ -}}
{{- define "sd-runtimes.port" -}}
{{ ternary .runtime.inferenceApi.port 8080 (eq .type "custom") | int }}
{{- end -}}

{{- /* sd-runtimes.agentPort (runtime): the port of the queue agent. */ -}}
{{- define "sd-runtimes.agentPort" -}}
{{ (.files.Get "files/reserved.yaml" | fromYaml).agentPort | int }}
{{- end -}}

{{- /* sd-runtimes.probe (path): the HTTP request of a probe of the runtime. */ -}}
{{- define "sd-runtimes.probe" -}}
httpGet:
  path: {{ .path | quote }}
  port: runtime
{{- end -}}

{{- /* sd-runtimes.securityContext.pod: security context of a pod at the restricted level. */ -}}
{{- define "sd-runtimes.securityContext.pod" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- /* sd-runtimes.securityContext (readOnly): security context of a container at the restricted level. */ -}}
{{- define "sd-runtimes.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: {{ .readOnly }}
capabilities:
  drop: [ALL]
{{- end -}}

{{- /*
sd-runtimes.securityContext.agent: of the containers with AWS credentials. They have a user of their own, which is that of
the agent's image: the runtime, user 1000, cannot read their environment and files by way of /proc.
*/ -}}
{{- define "sd-runtimes.securityContext.agent" -}}
{{- include "sd-runtimes.securityContext" (dict "readOnly" true) }}
runAsUser: 65532
runAsGroup: 65532
{{- end -}}

{{- /* sd-runtimes.config.agent (runtime): data of the ConfigMap with the queue agent's settings. */ -}}
{{- define "sd-runtimes.config.agent" -}}
{{- $a := .runtime.queueAgent -}}
{{- $env := dict
      "AWS_REGION" .global.region
      "AWS_DEFAULT_REGION" .global.region
      "RUNTIME_NAME" .name
      "RUNTIME_TYPE" .type
      "RUNTIME_URL" (printf "http://127.0.0.1:%s" (include "sd-runtimes.port" .))
      "SQS_QUEUE_URL" $a.sqsQueueUrl
      "DEAD_LETTER_QUEUE_URL" $a.deadLetterQueueUrl
      "S3_BUCKET" $a.s3Bucket
      "SNS_TOPIC_ARN" $a.snsTopicArn
      "TASK_TIMEOUT_SECONDS" (int $a.taskTimeoutSeconds | toString)
      "MAX_ATTEMPTS" (int $a.maxAttempts | toString)
      "SHUTDOWN_GRACE_SECONDS" (sub .grace 15 | toString)
      "INPUT_BUCKETS" (join "," $a.inputBuckets)
      "AGENT_HOST" "0.0.0.0"
      "AGENT_PORT" (include "sd-runtimes.agentPort" .) -}}
{{- with $a.highPriorityQueueUrl }}{{ $_ := set $env "HIGH_PRIORITY_QUEUE_URL" . }}{{ end -}}
{{- if eq .type "sdwebui" -}}
{{- with .modelFilename }}{{ $_ := set $env "MODEL_FILENAME" . }}{{ end -}}
{{- if .dynamicModel }}{{ $_ := set $env "DYNAMIC_SD_MODEL" "true" }}{{ end -}}
{{- else if eq .type "comfyui" -}}
{{- $profile := include "sd-runtimes.profile" . | fromYaml -}}
{{- $_ := set $env "RUNTIME_IMAGE" (include "sd-runtimes.image.runtime" (dict "runtime" . "profile" $profile)) -}}
{{- else if eq .type "custom" -}}
{{- $_ := set $env "TASK_PATH" .runtime.inferenceApi.taskPath -}}
{{- $_ := set $env "READY_PATH" .runtime.inferenceApi.probePath -}}
{{- end -}}
{{- if .traces -}}
{{- $_ := set $env "OTEL_EXPORTER_OTLP_ENDPOINT" "http://127.0.0.1:4318" -}}
{{- end -}}
{{- with .global.awsEndpoint -}}
{{- $_ := set $env "AWS_ENDPOINT_URL" . -}}
{{- end -}}
{{- toYaml $env -}}
{{- end -}}

{{- /* sd-runtimes.config.runtime (runtime, profile): data of the ConfigMap with files for runtime and collector. */ -}}
{{- define "sd-runtimes.config.runtime" -}}
{{- $data := dict -}}
{{- range $file, $text := .profile.files -}}
{{- $_ := set $data $file ($text | replace "$(MODELS_PATH)" $.runtime.runtime.inferenceApi.modelMountPath) -}}
{{- end -}}
{{- range .profile.copies -}}
{{- $_ := set $data . ($.runtime.files.Get (printf "files/%s" .)) -}}
{{- end -}}
{{- if .runtime.direct -}}
{{- $_ := set $data "direct-models.json" (include "sd-runtimes.direct.document" .runtime) -}}
{{- end -}}
{{- if .runtime.traces -}}
{{- $_ := set $data "collector.yaml" (.runtime.files.Get "files/collector.yaml" | replace "$(REGION)" .runtime.global.region) -}}
{{- end -}}
{{- toYaml $data -}}
{{- end -}}
