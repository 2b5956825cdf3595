{{/* The prefix of every name: the upstream chart's rule. */}}
{{- define "fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- $whole := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{- .Values.fullnameOverride | default $whole | trunc 26 | trimSuffix "-" -}}
{{- end -}}

{{- define "labels" -}}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.Version | replace "+" "_" }}
app.kubernetes.io/part-of: {{ .Chart.Name }}
chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
release: {{ .Release.Name }}
heritage: {{ .Release.Service }}
{{- end -}}

{{/* Labels of one part: call with (list $ "prometheus"). */}}
{{- define "part" -}}
app: {{ include "fullname" (first .) }}-{{ last . }}
{{ include "labels" (first .) }}
{{- end -}}

{{- define "image" -}}
{{ printf "%s/%s:%s" .registry .repository .tag }}
{{- end -}}

{{- define "interval" -}}
{{- with . }}
interval: {{ . }}
{{- end }}
{{- end -}}

{{- define "pod-security" -}}
runAsNonRoot: true
runAsUser: 65534
runAsGroup: 65534
fsGroup: 65534
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "container-security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}
