{{- /* sd-on-eks.problems (root): a YAML list of sentences "key: problem: fix". */ -}}
{{- define "sd-on-eks.problems" -}}
{{- $csi := index .Values "aws-mountpoint-s3-csi-driver" -}}
{{- if .Values.keda.enabled }}
{{- if .Values.keda.crds.install }}
- "keda.crds.install: a new cluster rejects a release with both KEDA's CRDs and ScaledObjects: set it to false, `make deps` puts the CRDs into crds/"
{{- else if not (.Files.Glob "crds/*keda*") }}
- "keda.enabled: KEDA's CRDs are not in crds/ of this chart: run `make deps`"
{{- end }}
{{- end }}
{{- if and $csi.enabled (not $csi.node.tolerateAllTaints) }}
- "aws-mountpoint-s3-csi-driver.node.tolerateAllTaints: the driver would not run on the tainted GPU nodes, and pods would have no models: set it to true"
{{- end }}
{{- if and $csi.enabled $csi.mountpointPod.createNamespace }}
- "aws-mountpoint-s3-csi-driver.mountpointPod.createNamespace: the driver's chart would delete the namespace with the release: set it to false, this chart creates it"
{{- end }}
{{- if and .Values.karpenter.enabled (not .Values.karpenter.settings.clusterName) }}
- "karpenter.settings.clusterName is empty: set the name of the EKS cluster"
{{- end }}
{{- end -}}
