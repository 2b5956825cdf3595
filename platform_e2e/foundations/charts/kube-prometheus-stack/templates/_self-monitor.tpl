{{/* The ServiceMonitor of a workload that the operator runs with a config reloader: call with (list $ "prometheus" INTERVAL). */}}
{{- define "self-monitor" -}}
{{- $root := first . }}
{{- $part := index . 1 }}
{{- $name := printf "%s-%s" (include "fullname" $root) $part -}}
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "part" (list $root $part) | nindent 4 }}
spec:
  namespaceSelector:
    matchNames: [{{ $root.Release.Namespace }}]
  selector:
    matchLabels:
      app: {{ $name }}
      release: {{ $root.Release.Name }}
      self-monitor: "true"
  endpoints:
    {{- range $port := list "http-web" "reloader-web" }}
    - port: {{ $port }}
      path: /metrics
      {{- include "interval" (last $) | nindent 6 }}
    {{- end }}
{{- end -}}
