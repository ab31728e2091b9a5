{{- /*
sd-runtimes.probes.runtime (runtime, profile): startup, readiness and liveness probes. A start can take half an hour:
a large model from S3 on a new node.
*/ -}}
{{- define "sd-runtimes.probes.runtime" -}}
{{- $probes := .profile.probes -}}
{{- if eq .runtime.type "custom" -}}
{{- $path := .runtime.runtime.inferenceApi.probePath -}}
{{- $probes = dict "startup" $path "readiness" $path -}}
{{- end -}}
startupProbe:
  {{- include "sd-runtimes.probe" (dict "path" $probes.startup) | nindent 2 }}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 360
readinessProbe:
  {{- include "sd-runtimes.probe" (dict "path" $probes.readiness) | nindent 2 }}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
# The agent answers: it knows whether the runtime can still run tasks, and gives a silent one five minutes. A busy
# runtime answers late; a restart loses its task and reloads its model. An agent that is restarted is back in a minute.
livenessProbe:
  httpGet:
    path: /runtime/healthz
    port: {{ include "sd-runtimes.agentPort" .runtime }}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
  # Limits the preStop hook too, which waits for the running task when the pod ends.
  terminationGracePeriodSeconds: 30
{{- end -}}

{{- /* sd-runtimes.command (runtime, words): the command of a program, run by files/init.sh. */ -}}
{{- define "sd-runtimes.command" -}}
{{- concat (list "/bin/sh" "-c" (.runtime.files.Get "files/init.sh") "init") .words | toYaml -}}
{{- end -}}

{{- /* sd-runtimes.mounts.runtime (runtime, profile): volume mounts of the runtime's container. */ -}}
{{- define "sd-runtimes.mounts.runtime" -}}
- name: models
  mountPath: {{ .runtime.runtime.inferenceApi.modelMountPath | quote }}
  readOnly: true
- name: runtime-config
  mountPath: /etc/sd-on-eks
  readOnly: true
{{- if .runtime.direct }}
- name: direct-models
  mountPath: {{ include "sd-runtimes.direct.folder" .runtime }}
  readOnly: true
{{- end }}
{{- range $name, $volume := .profile.scratch }}
- name: {{ $name | quote }}
  mountPath: {{ $volume.path | quote }}
{{- end }}
{{- end -}}

{{- /* sd-runtimes.volumes (runtime, profile): volumes of the pod. */ -}}
{{- define "sd-runtimes.volumes" -}}
- name: models
  {{- if .runtime.runtime.persistence.enabled }}
  persistentVolumeClaim:
    claimName: {{ include "sd-runtimes.name.claim" .runtime | quote }}
    readOnly: true
  {{- else }}
  emptyDir: {}
  {{- end }}
- name: runtime-config
  configMap:
    name: {{ include "sd-runtimes.name.runtimeConfig" .runtime | quote }}
- name: agent-scratch
  emptyDir:
    sizeLimit: 5Gi
{{- if .runtime.direct }}
# The model loader downloads no file that would exceed the limit.
- name: direct-models
  emptyDir:
    sizeLimit: {{ .runtime.runtime.models.sizeLimit }}
{{- end }}
{{- range $name, $volume := .profile.scratch }}
- name: {{ $name | quote }}
  emptyDir:
    sizeLimit: {{ $volume.sizeLimit }}
{{- end }}
{{- end -}}

{{- /* sd-runtimes.container.agent (runtime): on SIGTERM it finishes its task first, so it needs no preStop hook. */ -}}
{{- define "sd-runtimes.container.agent" -}}
{{- $agent := .runtime.queueAgent -}}
- name: queue-agent
  image: {{ include "sd-runtimes.image.agent" . | quote }}
  imagePullPolicy: {{ $agent.imagePullPolicy | quote }}
  envFrom:
    - configMapRef:
        name: {{ include "sd-runtimes.name.agentConfig" . | quote }}
  {{- with $agent.extraEnv }}
  env:
    {{- include "sd-runtimes.env" (dict "own" dict "extra" .) | trim | nindent 4 }}
  {{- end }}
  ports:
    - {name: agent, containerPort: {{ include "sd-runtimes.agentPort" . }}}
  livenessProbe:
    httpGet: {path: /healthz, port: agent}
    initialDelaySeconds: 10
    periodSeconds: 10
    timeoutSeconds: 5
    failureThreshold: 6
  readinessProbe:
    httpGet: {path: /readyz, port: agent}
    periodSeconds: 10
    timeoutSeconds: 5
  resources:
    {{- include "sd-runtimes.cache.resources" (dict "runtime" . "resources" $agent.resources) | nindent 4 }}
  securityContext:
    {{- include "sd-runtimes.securityContext.agent" . | nindent 4 }}
  volumeMounts:
    - name: agent-scratch
      mountPath: /tmp
{{- end -}}

{{- /* sd-runtimes.container.collector (runtime): sends the agent's traces to X-Ray. */ -}}
{{- define "sd-runtimes.container.collector" -}}
- name: trace-collector
  image: {{ include "sd-runtimes.image.collector" . | quote }}
  imagePullPolicy: {{ .runtime.queueAgent.imagePullPolicy | quote }}
  args: [--config=/etc/sd-on-eks/collector.yaml]
  env:
    - name: AWS_REGION
      value: {{ .global.region | quote }}
  # Waits for the agent, whose last task sends the last spans.
  lifecycle:
    preStop:
      httpGet: {path: /drained, port: {{ include "sd-runtimes.agentPort" . }}}
  resources:
    requests: {cpu: 50m, memory: 64Mi}
    limits: {memory: 256Mi}
  securityContext:
    {{- include "sd-runtimes.securityContext.agent" . | nindent 4 }}
  volumeMounts:
    - name: runtime-config
      mountPath: /etc/sd-on-eks
      readOnly: true
{{- end -}}
