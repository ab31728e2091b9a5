{{- /* sd-runtimes.notes (root): the text of NOTES.txt of this chart and of the umbrella chart. */ -}}
{{- define "sd-runtimes.notes" -}}
{{- $root := . -}}
{{- $g := .Values.global -}}
{{- if not .Values.runtimes -}}
There are no runtimes yet. Add one to `runtimes`, or let `generator build` write the values.
{{- else -}}
{{ $g.stackName }} has {{ len .Values.runtimes }} runtime(s) in {{ $g.region }}:
{{- range $name, $entry := .Values.runtimes }}
{{- $rt := dict }}{{ include "sd-runtimes.resolve" (dict "root" $root "name" $name "entry" $entry "into" $rt) }}
  {{ $name }} ({{ $rt.type }}, namespace {{ $rt.namespace }}, {{ int $rt.runtime.scaling.minReplicaCount }} to {{ int $rt.runtime.scaling.maxReplicaCount }} pods)
{{- end }}
{{- $name := keys .Values.runtimes | sortAlpha | first }}
{{- $rt := dict }}{{ include "sd-runtimes.resolve" (dict "root" $root "name" $name "entry" (get .Values.runtimes $name) "into" $rt) }}
{{- $profile := include "sd-runtimes.profile" $rt | fromYaml }}

Send a first task to {{ $name }}:

  aws sns publish --region {{ $g.region }} \
    --topic-arn arn:{{ $g.partition }}:sns:{{ $g.region }}:{{ $g.accountId }}:{{ $g.stackName }}-requests \
    --message-attributes '{"runtime":{"DataType":"String","StringValue":"{{ $name }}"}}' \
    --message '{"metadata":{"id":"first","runtime":"{{ $name }}","tasktype":"{{ $profile.firstTask.tasktype }}"},"content":{{ ternary $profile.firstTask.dynamicContent $profile.firstTask.content (and (eq $rt.type "sdwebui") (empty $rt.modelFilename)) }}}'

If no pod is running, a GPU node starts first, which takes some minutes. Watch the pods, then download the pictures:

  kubectl -n {{ $rt.namespace }} get scaledobject,pods -l app.kubernetes.io/instance={{ $name }} -w
  aws s3 cp --recursive s3://{{ $rt.runtime.queueAgent.s3Bucket }}/first/ .

{{- $images := dict }}
{{- range $each, $entry := .Values.runtimes }}
{{- $one := dict }}{{ include "sd-runtimes.resolve" (dict "root" $root "name" $each "entry" $entry "into" $one) }}
{{- $_ := set $images (include "sd-runtimes.image.agent" $one) true }}
{{- $_ := set $images (include "sd-runtimes.image.runtime" (dict "runtime" $one "profile" (include "sd-runtimes.profile" $one | fromYaml))) true }}
{{- end }}

Images that the nodes pull; push those in {{ $g.imageRegistry | default "the account's ECR" }} there first:
{{- range keys $images | sortAlpha }}
  {{ . }}
{{- end }}
{{- $folders := list }}
{{- range $each, $entry := .Values.runtimes }}
{{- $one := dict }}{{ include "sd-runtimes.resolve" (dict "root" $root "name" $each "entry" $entry "into" $one) }}
{{- $profile := include "sd-runtimes.profile" $one | fromYaml }}
{{- $folders = concat $folders ($profile.modelFolders | default list) ($profile.forgeModelFolders | default list) | uniq }}
{{- end }}
{{- with $folders }}

SD WebUI and Forge need these folders in the model bucket, even if they are empty (an object whose key ends with "/"):
  {{ join " " . }}
{{- end }}

To uninstall, remove the runtimes before Karpenter and KEDA, or their GPU instances keep running:
first upgrade to a release without runtimes, wait until `kubectl get nodeclaims` lists none, then uninstall.
{{- end }}
{{- end -}}
