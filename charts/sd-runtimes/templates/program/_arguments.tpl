{{- /*
sd-runtimes.wordPattern: one shell word of a text, with its quotes: plain characters, `\` with any character, '…', "…".
Regular expressions, since Helm has no parser of shell words; generator/config/rules/arguments.py splits in the same way.
*/ -}}
{{- define "sd-runtimes.wordPattern" -}}
(?:[^ \t\r\n'"\\]|\\.|'[^']*'|"(?:[^"\\]|\\.)*")+
{{- end -}}

{{- /*
sd-runtimes.words (list or string): the arguments as a JSON list of words. A string is split into shell words; nothing in
it is expanded by a shell.
*/ -}}
{{- define "sd-runtimes.words" -}}
{{- $words := list -}}
{{- if kindIs "slice" . -}}
{{- range . }}{{ $words = append $words (include "sd-runtimes.text" .) }}{{ end -}}
{{- else -}}
{{- range regexFindAll (include "sd-runtimes.wordPattern" .) (replace "\\\n" "" .) -1 -}}
{{- $word := "" -}}
{{- range regexFindAll `'[^']*'|"(?:[^"\\]|\\.)*"|\\.|[^'"\\]+` . -1 -}}
{{- if hasPrefix "'" . -}}
{{- $word = print $word (trimAll "'" .) -}}
{{- else if hasPrefix `"` . -}}
{{- $word = print $word (regexReplaceAll `\\(["\\])` (substr 1 (sub (len .) 1 | int) .) "$1") -}}
{{- else if hasPrefix `\` . -}}
{{- $word = print $word (trimPrefix `\` .) -}}
{{- else -}}
{{- $word = print $word . -}}
{{- end -}}
{{- end -}}
{{- $words = append $words $word -}}
{{- end -}}
{{- end -}}
{{- toJson $words -}}
{{- end -}}

{{- /* sd-runtimes.quoted (words): the words as one text that a shell splits into exactly these words again. */ -}}
{{- define "sd-runtimes.quoted" -}}
{{- $quoted := list -}}
{{- range . -}}
{{- if regexMatch "^[A-Za-z0-9_@%+=:,./-]+$" . -}}
{{- $quoted = append $quoted . -}}
{{- else -}}
{{- $quoted = append $quoted (printf "'%s'" (replace "'" `'"'"'` .)) -}}
{{- end -}}
{{- end -}}
{{- join " " $quoted -}}
{{- end -}}

{{- /*
sd-runtimes.fixedArgument (name, value, profile): why an argument cannot be set; empty if it can. Programs accept the
beginning of a name too, if it is not a name of its own.
*/ -}}
{{- define "sd-runtimes.fixedArgument" -}}
{{- $profile := .profile -}}
{{- $name := .name -}}
{{- $reasons := list -}}
{{- range $fixed, $rule := $profile.fixedArguments -}}
{{- $short := and (gt (len $name) 3) (hasPrefix $name $fixed) (not (has $name ($profile.freeArguments | default list))) -}}
{{- if and (or (eq $name $fixed) $short) (not (has $.value ($rule.allowed | default list))) -}}
{{- $reasons = append $reasons $rule.reason -}}
{{- end -}}
{{- end -}}
{{- first (append $reasons "") -}}
{{- end -}}
