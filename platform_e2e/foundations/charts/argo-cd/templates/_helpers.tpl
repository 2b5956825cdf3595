{{/* The prefix of every name: only `argocd`, which the install manifests write into names, arguments and references alike. */}}
{{- define "fullname" -}}
{{- if ne .Release.Name "argocd" -}}
{{- fail (printf "release %s: the chart assembled from the install manifests can only be installed as `argocd`" .Release.Name) -}}
{{- end -}}
argocd
{{- end -}}

{{/* The labels that the upstream chart adds to those of the install manifests. */}}
{{- define "labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name (.Chart.Version | replace "+" "_") }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion }}
{{- end -}}
