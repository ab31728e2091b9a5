{{- /*
The checks of values/guards.yaml. Each template returns a YAML list of sentences "key: problem: fix". The checks of a
component are in its own _guards.tpl. Every check has a case in tests/charts/test_guards.py.
*/ -}}

{{- /* sd-runtimes.problems.solution (root): checks of `global`. */ -}}
{{- define "sd-runtimes.problems.solution" -}}
{{- $g := .Values.global -}}
{{- if .Values.runtimes -}}
{{- range $key := list "stackName" "region" "accountId" }}
{{- if not (get $g $key) }}
- {{ printf "global.%s is empty: set it, names are derived from it" $key | quote }}
{{- end }}
{{- end }}
{{- $china := hasPrefix "cn-" $g.region }}
{{- $partition := ternary "aws-cn" "aws" $china }}
{{- $suffix := ternary "amazonaws.com.cn" "amazonaws.com" $china }}
{{- if and $g.region (or (ne $g.partition $partition) (ne $g.dnsSuffix $suffix)) }}
- {{ printf "global.partition %s and global.dnsSuffix %s do not match region %s: set %s and %s" $g.partition $g.dnsSuffix $g.region $partition $suffix | quote }}
{{- end }}
{{- end -}}
{{- end -}}

{{- /* sd-runtimes.problems.runtimes (root): checks of each runtime, and that they do not conflict. */ -}}
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
{{- include "sd-runtimes.problems.network" (dict "runtime" $rt "where" $where) }}
{{- include "sd-runtimes.problems.scaling" (dict "runtime" $rt "where" $where) }}
{{- include "sd-runtimes.problems.warm" (dict "runtime" $rt "where" $where) }}
{{- include "sd-runtimes.problems.models" (dict "runtime" $rt "where" $where) }}
{{- include "sd-runtimes.problems.nodes" (dict "runtime" $rt "where" $where) }}
{{- include "sd-runtimes.problems.nodeTemplate" (dict "runtime" $rt "where" $where) }}
{{- include "sd-runtimes.problems.autoMode" (dict "runtime" $rt "where" $where) }}
{{- $account := printf "%s/%s" $rt.namespace (include "sd-runtimes.name.serviceAccount" $rt) }}
{{- if hasKey $accounts $account }}
- {{ printf "%s.runtime.serviceAccountName: %s is also the service account of %s, which has another role: choose another name" $where $account (get $accounts $account) | quote }}
{{- end }}
{{- $_ := set $accounts $account $name }}
{{- end }}
{{- end -}}
{{- end -}}

{{- /*
sd-runtimes.problems.missing (runtime, where): the values of files/required.txt, which the other checks read. They have
defaults, so only an explicit null removes them.
*/ -}}
{{- define "sd-runtimes.problems.missing" -}}
{{- $rt := .runtime -}}
{{- $where := .where -}}
{{- range $path := .runtime.files.Lines "files/required.txt" | compact }}
{{- $node := $rt }}
{{- range splitList "." $path }}{{ $node = hasKey $node . | ternary (get $node .) nil }}{{ end }}
{{- if or (kindIs "invalid" $node) (and (has $path (list "namespace" "karpenter.nodeTemplate.amiVersion")) (eq $node "")) }}
- {{ printf "%s.%s is null or empty, but required: omit it to use the default, or set a value" $where $path | quote }}
{{- end }}
{{- end -}}
{{- end -}}
