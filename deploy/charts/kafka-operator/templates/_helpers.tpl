{{/* What the objects of a release are called: `kafka-operator` for a release of that name, and after the release else. */}}
{{- define "kafka-operator.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* By these the operator's pods are known: the first one by the network policies of brokers, too. */}}
{{- define "kafka-operator.selector" -}}
app.kubernetes.io/name: kafka-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* The labels of all objects. */}}
{{- define "kafka-operator.labels" -}}
{{ include "kafka-operator.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The metadata of an object in the release's namespace. */}}
{{- define "kafka-operator.metadata" -}}
name: {{ include "kafka-operator.name" . }}
namespace: {{ .Release.Namespace }}
{{ include "kafka-operator.marks" . }}
{{- end -}}

{{/* Labels and annotations of an object. */}}
{{- define "kafka-operator.marks" -}}
labels:
  {{- include "kafka-operator.labels" . | nindent 2 }}
{{- with .Values.annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Who the operator is, for bindings. */}}
{{- define "kafka-operator.subjects" -}}
subjects:
  - kind: ServiceAccount
    name: {{ include "kafka-operator.name" . }}
    namespace: {{ .Release.Namespace }}
{{- end -}}

{{/* An image of {repository, tag, digest}; `tag` is that of an image without one. */}}
{{- define "kafka-operator.image" -}}
{{- if .image.digest -}}
{{- printf "%s@%s" .image.repository .image.digest -}}
{{- else -}}
{{- printf "%s:%s" .image.repository (.image.tag | default .tag) -}}
{{- end -}}
{{- end -}}

{{/* The variable for an image that the operator hands out; nothing where the operator's default is meant. */}}
{{- define "kafka-operator.handed-out" -}}
{{- if or .image.tag .image.digest (ne .image.repository .default) -}}
- name: {{ .variable }}
  value: {{ include "kafka-operator.image" . | quote }}
{{- end }}
{{- end -}}
