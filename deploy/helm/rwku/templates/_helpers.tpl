{{- define "rwku.name" -}}
{{- if contains "rwku" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-rwku" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- /* Labels that never change: what selectors use. (dict "root" . "component" "server") */}}
{{- define "rwku.selector" -}}
app.kubernetes.io/name: rwku
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "rwku.labels" -}}
{{ include "rwku.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- define "rwku.image" -}}
image: {{ .root.Values.image.registry }}/{{ .image }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
{{- end }}

{{- /* Of every pod. */}}
{{- define "rwku.pod" -}}
serviceAccountName: {{ include "rwku.name" .root }}-{{ .account }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets: {{ toJson . }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- /* Of every container. */}}
{{- define "rwku.container" -}}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{- /* A volume of models or datasets: (dict "name" "models" "values" .Values.models) */}}
{{- define "rwku.folder" -}}
- name: {{ .name }}
{{- if eq .values.type "persistentVolumeClaim" }}
  persistentVolumeClaim: {claimName: {{ .values.claimName }}, readOnly: true}
{{- else if eq .values.type "hostPath" }}
  hostPath: {path: {{ .values.path | quote }}, type: Directory}
{{- else }}
  emptyDir: {sizeLimit: 1Mi}
{{- end }}
{{- end }}

