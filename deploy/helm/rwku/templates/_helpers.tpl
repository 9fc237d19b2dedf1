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

{{- /* "500ms", "3s", "1m" or "1h" as a number. */}}
{{- define "rwku.milliseconds" -}}
{{- mul (regexFind "^[0-9]+" .) (get (dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000) (regexFind "[a-z]+$" .)) }}
{{- end }}

{{- /* A quantity such as 10Gi as a number. */}}
{{- define "rwku.bytes" -}}
{{- if kindIs "string" . }}
{{- $unit := dict "" 1 "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 }}
{{- printf "%.0f" (mulf (regexFind "^[0-9.]+" .) (get $unit (regexFind "[A-Za-z]*$" .))) }}
{{- else }}
{{- printf "%.0f" (float64 .) }}
{{- end }}
{{- end }}

{{- /* How many workers are wanted: (dict "root" $ "pool" $pool). A gang forms only when all of its workers are there. */}}
{{- define "rwku.workersWanted" -}}
{{- $autoscaling := .root.Values.autoscaling }}
{{- if .pool.query }}{{ .pool.query }}
{{- else if $autoscaling.query }}{{ $autoscaling.query }}
{{- else }}
{{- $server := printf "{namespace=%q, service=%q}" .root.Release.Namespace (printf "%s-server-pods" (include "rwku.name" .root)) }}
{{- printf "clamp_min(max(rwku_server_workers_wanted%s) / %d, scalar(max(rwku_server_workers_wanted_at_once%s)))" $server (int $autoscaling.jobsPerWorker) $server }}
{{- end }}
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

