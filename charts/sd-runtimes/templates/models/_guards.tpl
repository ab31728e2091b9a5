{{- /* Refusals about the models' volume and claim. Takes (runtime, where). */ -}}

{{- define "sd-runtimes.problems.models" -}}
{{- $p := .runtime.runtime.persistence -}}
{{- if .runtime.s3 }}
{{- if not $p.s3.modelBucket }}
- {{ printf "%s.runtime.persistence.s3.modelBucket is empty: name the bucket with the models, or set existingClaim" .where | quote }}
{{- end }}
{{- if without $p.accessModes "ReadOnlyMany" "ReadWriteMany" }}
- {{ printf "%s.runtime.persistence.accessModes: the S3 driver knows ReadOnlyMany and ReadWriteMany alone: take the others away" .where | quote }}
{{- end }}
{{- else if and $p.enabled (not $p.existingClaim) (hasKey $p "storageClass") (has $p.storageClass (list "" "-")) }}
- {{ printf "%s.runtime.persistence: a claim without S3 and without a storage class is never bound, and Karpenter starts no node for it: set storageClass (null for the default) or existingClaim" .where | quote }}
{{- end -}}
{{- end -}}
