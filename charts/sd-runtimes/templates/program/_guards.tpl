{{- /* Checks of what a container's program is given: arguments and variables. */ -}}

{{- /* sd-runtimes.problems.fixedEnv (runtime, where, profile): variables that the chart sets, or that would break a pod. */ -}}
{{- define "sd-runtimes.problems.fixedEnv" -}}
{{- $where := .where -}}
{{- $reserved := .runtime.files.Get "files/reserved.yaml" | fromYaml -}}
{{- $fixed := merge dict (.profile.fixedEnvironment | default dict) $reserved.fixedEnvironment -}}
{{- $derived := dict "inferenceApi" $reserved.runtimeEnvironment "queueAgent" $reserved.agentEnvironment -}}
{{- range $part, $keys := $derived }}
{{- range include "sd-runtimes.variables" (get $.runtime.runtime $part).extraEnv | fromJsonArray }}
{{- $name := hasPrefix "INVOKEAI_" (upper .name) | ternary (upper .name) .name }}
{{- $rule := eq $part "inferenceApi" | ternary (get $fixed $name) "" }}
{{- if hasKey $keys $name }}
- {{ printf "%s.runtime.%s.extraEnv: other values set %s: remove it" $where $part $name | quote }}
{{- else if and $rule (not (has (lower .value) ($rule.allowed | default list))) }}
- {{ printf "%s.runtime.%s.extraEnv: %s cannot be set to %q: %s" $where $part .name .value $rule.reason | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- /*
sd-runtimes.problems.arguments (runtime, where, profile): quotes that are not closed, and arguments that would change what
the chart relies on.
*/ -}}
{{- define "sd-runtimes.problems.arguments" -}}
{{- $arguments := .runtime.runtime.inferenceApi.commandArguments -}}
{{- $where := printf "%s.runtime.inferenceApi.commandArguments" .where -}}
{{- $rest := kindIs "string" $arguments | ternary (regexReplaceAll (include "sd-runtimes.wordPattern" .) (toString $arguments | replace "\\\n" "") "") "" -}}
{{- if trim $rest }}
- {{ printf "%s: a quote is not closed, or nothing follows a final backslash: close it, or write a list of arguments" $where | quote }}
{{- else }}
{{- $words := include "sd-runtimes.words" $arguments | fromJsonArray }}
{{- range $index, $word := $words }}
{{- if hasPrefix "-" $word }}
{{- $name := regexFind "^[^=]+" $word }}
{{- $next := index (append $words "") (add $index 1 | int) }}
{{- $value := contains "=" $word | ternary (regexReplaceAll "^[^=]*=" $word "") (hasPrefix "-" $next | ternary "" $next) }}
{{- with include "sd-runtimes.fixedArgument" (dict "name" $name "value" $value "profile" $.profile) }}
- {{ printf "%s: %s cannot be set: %s" $where $name . | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
