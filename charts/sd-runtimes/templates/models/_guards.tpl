{{- /* sd-runtimes.problems.models (runtime, where): checks of the models' volume and claim. */ -}}
{{- define "sd-runtimes.problems.models" -}}
{{- $p := .runtime.runtime.persistence -}}
{{- $models := .runtime.runtime.models -}}
{{- range $models.files }}
{{- if or (not (regexMatch "^[^/[:cntrl:]]+(/[^/[:cntrl:]]+)*$" .)) (has ".." (splitList "/" .)) (has "." (splitList "/" .)) }}
- {{ printf "%s.runtime.models.files: %q is not the path of a file in the models folder: write it without a slash at its start, `.` and `..`" $.where . | quote }}
{{- end }}
{{- end }}
{{- include "sd-runtimes.problems.cache" . }}
{{- if .runtime.s3 }}
{{- if not $p.s3.modelBucket }}
- {{ printf "%s.runtime.persistence.s3.modelBucket is empty: set the bucket with the models, or existingClaim" .where | quote }}
{{- end }}
{{- if $p.s3.mountOptions }}{{ include "sd-runtimes.problems.mountOptions" (dict "runtime" .runtime "where" (print .where ".runtime.persistence.s3.mountOptions")) }}{{ end }}
{{- if without $p.accessModes "ReadOnlyMany" "ReadWriteMany" }}
- {{ printf "%s.runtime.persistence.accessModes: the S3 CSI driver supports only ReadOnlyMany and ReadWriteMany: remove the others" .where | quote }}
{{- end }}
{{- else if and $p.enabled (not $p.existingClaim) (hasKey $p "storageClass") (has $p.storageClass (list "" "-")) }}
- {{ printf "%s.runtime.persistence: without S3 and without a storage class the claim is never bound: set storageClass (null for the default) or existingClaim" .where | quote }}
{{- end }}
{{- if and $p.enabled (not $p.existingClaim) (has "ReadWriteOncePod" $p.accessModes) (gt (len $p.accessModes) 1) }}
- {{ printf "%s.runtime.persistence.accessModes: Kubernetes rejects ReadWriteOncePod together with other modes: keep one mode" .where | quote }}
{{- end -}}
{{- end -}}
