{{- /*
sd-runtimes.mountOption (text): name and value of a mount option, as YAML. The first space or equals sign ends the name, as
for the CSI driver.
*/ -}}
{{- define "sd-runtimes.mountOption" -}}
{{- $text := trimAll " " . -}}
{{- $name := regexFind "^[^ =]*" $text -}}
name: {{ trimPrefix "--" $name | quote }}
value: {{ regexReplaceAll "^[ =]" (trimPrefix $name $text) "" | trimAll " " | quote }}
{{- end -}}

{{- /* sd-runtimes.mountOption.text (text): the option in the form that every version of the driver reads alike. */ -}}
{{- define "sd-runtimes.mountOption.text" -}}
{{- $option := include "sd-runtimes.mountOption" . | fromYaml -}}
{{- $option.name }}{{ with $option.value }}={{ . }}{{ end -}}
{{- end -}}

{{- /* sd-runtimes.problems.mountOptions (runtime, where): checks by files/mount_options.yaml. */ -}}
{{- define "sd-runtimes.problems.mountOptions" -}}
{{- $rules := .runtime.files.Get "files/mount_options.yaml" | fromYaml -}}
{{- $options := list -}}
{{- range .runtime.runtime.persistence.s3.mountOptions }}{{ $options = append $options (include "sd-runtimes.mountOption" . | fromYaml) }}{{ end -}}
{{- $given := list -}}
{{- range $options }}{{ $given = append $given .name }}{{ end -}}
{{- $names := list -}}
{{- range $option := $options }}
{{- $accepted := get $rules.options $option.name }}
{{- if has $option.name $names }}
- {{ printf "%s: %s is set twice: keep one" $.where $option.name | quote }}
{{- else if hasKey $rules.refused $option.name }}
- {{ printf "%s: %s cannot be set: %s: remove it" $.where $option.name (get $rules.refused $option.name) | quote }}
{{- else if not (hasKey $rules.options $option.name) }}
- {{ printf "%s: %s is not an option of Mountpoint: use one of %s" $.where $option.name (keys $rules.options | sortAlpha | join ", ") | quote }}
{{- else }}
{{- include "sd-runtimes.problems.mountOption" (dict "option" $option "accepted" $accepted "given" $given "runtime" $.runtime "where" $.where) }}
{{- end }}
{{- $names = append $names $option.name }}
{{- end }}
{{- range $pair := $rules.exclusive }}
{{- if and (has (first $pair) $names) (has (last $pair) $names) }}
- {{ printf "%s: %s excludes %s: keep one of them" $.where (first $pair) (last $pair) | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* sd-runtimes.problems.mountOption (option, accepted, given, runtime, where): version, partition and value of an option. */ -}}
{{- define "sd-runtimes.problems.mountOption" -}}
{{- $option := .option -}}
{{- $accepted := .accepted | default dict -}}
{{- $where := printf "%s: %s" .where $option.name -}}
{{- $global := .runtime.global -}}
{{- if not (semverCompare (printf ">=%s-0" ($accepted.eks | default "1.0")) (print $global.eksVersion ".0")) }}
- {{ printf "%s needs the CSI driver of EKS %s: remove it" $where $accepted.eks | quote }}
{{- else if ne ($accepted.partition | default $global.partition) $global.partition }}
- {{ printf "%s: S3 does not have it in this region: remove it" $where | quote }}
{{- else if not (regexMatch (printf "^(%s)$" ($accepted.value | default "")) $option.value) }}
- {{ printf "%s: %q is not a value of it: set %s" $where $option.value ($accepted.expected | default "the name alone") | quote }}
{{- else if hasKey $accepted "minimum" }}
{{- if or (lt (int64 $option.value) (int64 $accepted.minimum)) (gt (int64 $option.value) (int64 $accepted.maximum)) }}
- {{ printf "%s: %s is outside its limits: set %s" $where $option.value $accepted.expected | quote }}
{{- end }}
{{- else if and $accepted.requires (not (has $accepted.requires .given)) }}
- {{ printf "%s has no effect without %s: add it" $where $accepted.requires | quote }}
{{- end }}
{{- end -}}
