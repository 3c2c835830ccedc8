{{- define "floorcast.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "floorcast.labels" -}}
{{ include "floorcast.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "floorcast.port" -}}
{{ .Values.settings.port | default 8080 | int }}
{{- end }}

{{- /* Not empty if the nodes accept only HTTPS. The server ignores an empty setting. */}}
{{- define "floorcast.tls" -}}
{{ if or .Values.tlsSecret (.Values.settings.tls_cert | default "" | trim) }}yes{{ end }}
{{- end }}

{{- define "floorcast.servicePort" -}}
{{ .Values.service.port | default (ternary 443 80 (include "floorcast.tls" . | not | not)) }}
{{- end }}

{{- /* Helm reads a number as a float, which would become "1e+06". */}}
{{- define "floorcast.value" -}}
{{- if and (kindIs "float64" .) (eq . (floor .)) -}}
{{ printf "%.0f" . }}
{{- else if kindIs "slice" . -}}
{{ join "," . }}
{{- else -}}
{{ . }}
{{- end -}}
{{- end }}
