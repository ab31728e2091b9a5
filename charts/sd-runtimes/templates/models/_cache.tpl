{{- /*
The cache of the mount: an emptyDir of the pod that mounts the bucket on a node, in the driver's namespace. All pods of a
runtime on the node read through that pod.
*/ -}}

{{- /*
sd-runtimes.cache.mib (size): what Mountpoint may fill, in MiB. Kubernetes evicts the pod of a volume above its limit, and
with it the mount. Versions of the driver before 2.7 do not tell Mountpoint the limit; 2.7 takes at most 95 % of it.
*/ -}}
{{- define "sd-runtimes.cache.mib" -}}
{{- $bytes := mulf (include "sd-runtimes.quantity" . | float64) 0.9 -}}
{{- div (int64 $bytes) 1048576 -}}
{{- end -}}

{{- /*
sd-runtimes.cache.resources (runtime, resources): resources of a container that also requests the cache. The pod of the
driver requests no disk: so the scheduler gives the pod only to a node that has room for it.
*/ -}}
{{- define "sd-runtimes.cache.resources" -}}
{{- $resources := deepCopy .resources -}}
{{- with .runtime.runtime.models.cacheSize -}}
{{- $cache := include "sd-runtimes.quantity" . | float64 -}}
{{- $limits := $resources.limits | default dict -}}
{{- $requests := $resources.requests | default dict -}}
{{- $storage := "ephemeral-storage" -}}
{{- $own := get $requests $storage | default (get $limits $storage) | default "0" -}}
{{- $_ := set $requests $storage (addf (include "sd-runtimes.quantity" $own | float64) $cache | int64 | toString) -}}
{{- if hasKey $limits $storage -}}
{{- $_ := set $limits $storage (addf (include "sd-runtimes.quantity" (get $limits $storage) | float64) $cache | int64 | toString) -}}
{{- end -}}
{{- $_ := set $resources "requests" $requests -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}

{{- /* sd-runtimes.problems.cache (runtime, where): checks of the cache. */ -}}
{{- define "sd-runtimes.problems.cache" -}}
{{- $where := print .where ".runtime.models.cacheSize" -}}
{{- with .runtime.runtime.models.cacheSize }}
{{- if not $.runtime.s3 }}
- {{ printf "%s: the models do not come from the bucket, so nothing is cached: remove it" $where | quote }}
{{- else if not (semverCompare ">=1.29-0" (print $.runtime.global.eksVersion ".0")) }}
- {{ printf "%s needs the CSI driver of EKS 1.29: remove it" $where | quote }}
{{- else if not (regexMatch "^[1-9][0-9]{0,8}(Mi|Gi|Ti)$" .) }}
- {{ printf "%s: %q is not a size: set a whole number with the unit Mi, Gi or Ti" $where . | quote }}
{{- else if lt (include "sd-runtimes.quantity" . | float64) 1073741824.0 }}
- {{ printf "%s: %s is less than any model: set 1Gi or more" $where . | quote }}
{{- end }}
{{- end }}
{{- end -}}
