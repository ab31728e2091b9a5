{{- /*
The refusals of values/guards.yaml. Each template here gives a YAML list of sentences "key: fault: cure"; what is
refused and why is in the _guards.tpl of each component. Every rule has a case in tests/charts/test_guards.py.
*/ -}}

{{- /* sd-runtimes.problems.solution (root): what is wrong with `global`. */ -}}
{{- define "sd-runtimes.problems.solution" -}}
{{- $g := .Values.global -}}
{{- if .Values.runtimes -}}
{{- range $key := list "stackName" "region" "accountId" }}
{{- if not (get $g $key) }}
- {{ printf "global.%s is empty, and names are made from it: set it" $key | quote }}
{{- end }}
{{- end }}
{{- $china := hasPrefix "cn-" $g.region }}
{{- $partition := ternary "aws-cn" "aws" $china }}
{{- $suffix := ternary "amazonaws.com.cn" "amazonaws.com" $china }}
{{- if and $g.region (or (ne $g.partition $partition) (ne $g.dnsSuffix $suffix)) }}
- {{ printf "global.partition %s and global.dnsSuffix %s do not belong to region %s: set %s and %s" $g.partition $g.dnsSuffix $g.region $partition $suffix | quote }}
{{- end }}
{{- end -}}
{{- end -}}

{{- /* sd-runtimes.problems.runtimes (root): what is wrong with the runtimes, one by one and between each other. */ -}}
{{- define "sd-runtimes.problems.runtimes" -}}
{{- $accounts := dict -}}
{{- range $name, $entry := .Values.runtimes -}}
{{- $rt := dict }}{{ include "sd-runtimes.resolve" (dict "root" $ "name" $name "entry" $entry "into" $rt) }}
{{- $where := printf "runtimes.%s" $name }}
{{- $missing := include "sd-runtimes.problems.missing" (dict "runtime" $rt "where" $where) }}
{{- if $missing }}
{{- $missing }}
{{- else }}
{{- include "sd-runtimes.problems.names" (dict "runtime" $rt "where" $where) }}
{{- include "sd-runtimes.problems.type" (dict "runtime" $rt "where" $where) }}
{{- include "sd-runtimes.problems.containers" (dict "runtime" $rt "where" $where) }}
{{- include "sd-runtimes.problems.scaling" (dict "runtime" $rt "where" $where) }}
{{- include "sd-runtimes.problems.models" (dict "runtime" $rt "where" $where) }}
{{- include "sd-runtimes.problems.nodes" (dict "runtime" $rt "where" $where) }}
{{- include "sd-runtimes.problems.nodeTemplate" (dict "runtime" $rt "where" $where) }}
{{- $account := printf "%s/%s" $rt.namespace (include "sd-runtimes.name.serviceAccount" $rt) }}
{{- if hasKey $accounts $account }}
- {{ printf "%s.runtime.serviceAccountName: %s is also the account of %s, and one account has one role: give each its own" $where $account (get $accounts $account) | quote }}
{{- end }}
{{- $_ := set $accounts $account $name }}
{{- end }}
{{- end -}}
{{- end -}}

{{- /*
sd-runtimes.problems.missing (runtime, where): the values of files/needed.txt, without which nothing can be said of the
others. They are there by default, so only an explicit null takes them away.
*/ -}}
{{- define "sd-runtimes.problems.missing" -}}
{{- $rt := .runtime -}}
{{- $where := .where -}}
{{- range $path := .runtime.files.Lines "files/needed.txt" | compact }}
{{- $node := $rt }}
{{- range splitList "." $path }}{{ $node = hasKey $node . | ternary (get $node .) nil }}{{ end }}
{{- if or (kindIs "invalid" $node) (and (has $path (list "namespace" "karpenter.nodeTemplate.amiVersion")) (eq $node "")) }}
- {{ printf "%s.%s is taken away, and there is nothing to take its place: leave it out for the default, or give it a value" $where $path | quote }}
{{- end }}
{{- end -}}
{{- end -}}
