{{- /* Helpers of objects that belong to the release, not to one runtime. */ -}}

{{- /* sd-runtimes.release.selector (root, name): the selector labels. */ -}}
{{- define "sd-runtimes.release.selector" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
{{- end -}}

{{- /* sd-runtimes.release.labels (root, name, component): the labels of an object. */ -}}
{{- define "sd-runtimes.release.labels" -}}
{{ include "sd-runtimes.release.selector" . }}
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/part-of: {{ .root.Values.global.stackName | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end -}}

{{- /* sd-runtimes.release.image (root, image): the reference of an image; its registry is replaced by the mirror's. */ -}}
{{- define "sd-runtimes.release.image" -}}
{{- include "sd-runtimes.image" (dict "runtime" (dict "global" .root.Values.global) "image" .image "own" dict
      "repository" "" "tag" "") -}}
{{- end -}}

{{- /* sd-runtimes.release.namespaces (root): a YAML list of the namespaces of the runtimes. */ -}}
{{- define "sd-runtimes.release.namespaces" -}}
{{- $namespaces := list -}}
{{- range $name, $entry := .Values.runtimes -}}
{{- $rt := dict }}{{ include "sd-runtimes.resolve" (dict "root" $ "name" $name "entry" $entry "into" $rt) -}}
{{- $namespaces = append $namespaces $rt.namespace -}}
{{- end -}}
{{- $namespaces | uniq | sortAlpha | toYaml -}}
{{- end -}}

{{- /*
sd-runtimes.logs.config (root): the configuration of Fluent Bit. It reads only files, so that it needs no access to the
Kubernetes API: namespace, pod and container are in the name of a file, and become the name of the log stream.
*/ -}}
{{- define "sd-runtimes.logs.config" -}}
{{- $files := list -}}
{{- range append (include "sd-runtimes.release.namespaces" . | fromYamlArray) .Release.Namespace | uniq | sortAlpha -}}
{{- $files = append $files (printf "/var/log/containers/*_%s_*.log" .) -}}
{{- end -}}
[SERVICE]
    Flush             1
    Grace             30
    Log_Level         warn
    scheduler.cap     60
    HTTP_Server       On
    HTTP_Port         2020

[INPUT]
    Name              tail
    Path              {{ join "," $files }}
    # Its own lines would cause new ones.
    Exclude_Path      /var/log/containers/*_log-collector-*.log
    Tag               <namespace>.<pod>.<container>
    Tag_Regex         (?<pod>[^_/]+)_(?<namespace>[^_]+)_(?<container>.+)-[0-9a-f]{64}\.log$
    multiline.parser  cri
    # Where it stopped reading: a new pod of the DaemonSet sends no line twice.
    DB                /var/fluent-bit/state/log-collector.db
    DB.locking        true
    Read_from_Head    On
    # A pod may end soon after it starts.
    Refresh_Interval  1
    # Above this, it waits: the lines stay in the files.
    Mem_Buf_Limit     32MB
    Skip_Long_Lines   On

[OUTPUT]
    Name              cloudwatch_logs
    Match             *
    region            {{ .Values.global.region }}
    log_group_name    {{ .Values.logs.logGroup }}
    log_stream_prefix pods/
    log_key           log
    # While CloudWatch cannot be reached, nothing is dropped: at Mem_Buf_Limit no more is read.
    Retry_Limit       no_limits
{{- end -}}
