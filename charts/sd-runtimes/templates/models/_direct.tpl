{{- /*
sd-runtimes.direct.files (runtime): the model files that the pod downloads, as a JSON list of paths in the models folder.
Without NVMe disks the files would be written to the data volume, which by default is slower than the bucket.
*/ -}}
{{- define "sd-runtimes.direct.files" -}}
{{- $models := .runtime.models -}}
{{- $disks := or .global.autoMode (include "sd-runtimes.raid" . | eq "true") -}}
{{- $files := list -}}
{{- if and .s3 (ne .type "custom") (or (eq $models.load "direct") (and (eq $models.load "auto") $disks)) -}}
{{- if and (eq .type "sdwebui") .modelFilename -}}
{{- $files = append $files (print "Stable-diffusion/" .modelFilename) -}}
{{- end -}}
{{- $files = concat $files $models.files | uniq -}}
{{- end -}}
{{- toJson $files -}}
{{- end -}}

{{- /* sd-runtimes.direct.folder: where the downloaded files are, in both containers. */ -}}
{{- define "sd-runtimes.direct.folder" -}}
/var/lib/sd-on-eks/models
{{- end -}}

{{- /* sd-runtimes.direct.document (runtime): what is downloaded, for queue_agent/models and files/direct_models.py. */ -}}
{{- define "sd-runtimes.direct.document" -}}
{{- $s3 := .runtime.persistence.s3 -}}
{{- $prefix := "" -}}
{{- range $s3.mountOptions -}}
{{- $option := include "sd-runtimes.mountOption" . | fromYaml -}}
{{- if eq $option.name "prefix" }}{{ $prefix = $option.value }}{{ end -}}
{{- end -}}
{{- $document := dict
      "runtime" .name
      "bucket" $s3.modelBucket
      "prefix" $prefix
      "region" .global.region
      "models" .runtime.inferenceApi.modelMountPath
      "folder" (include "sd-runtimes.direct.folder" .)
      "sizeLimit" .runtime.models.sizeLimit
      "files" .direct -}}
{{- with .global.awsEndpoint }}{{ $_ := set $document "endpoint" . }}{{ end -}}
{{- toPrettyJson $document -}}
{{- end -}}

{{- /*
sd-runtimes.container.modelLoader (runtime): downloads the files. It is the first container, so that it starts before the
image of the runtime is pulled. It works for seconds and then waits for the pod's end: it requests the memory and the
disk that it needs, and hardly any CPU time.
*/ -}}
{{- define "sd-runtimes.container.modelLoader" -}}
- name: model-loader
  image: {{ include "sd-runtimes.image.agent" . | quote }}
  imagePullPolicy: {{ .runtime.queueAgent.imagePullPolicy | quote }}
  command: [/opt/agent/bin/python, -m, queue_agent.models, /etc/sd-on-eks/direct-models.json]
  resources:
    requests: {cpu: 10m, memory: 96Mi, ephemeral-storage: {{ .runtime.models.sizeLimit }}}
    limits: {memory: 512Mi}
  securityContext:
    {{- include "sd-runtimes.securityContext.agent" . | nindent 4 }}
  volumeMounts:
    - name: runtime-config
      mountPath: /etc/sd-on-eks
      readOnly: true
    - name: direct-models
      mountPath: {{ include "sd-runtimes.direct.folder" . }}
{{- end -}}
