{{- define "rolegate.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: ["ALL"]
{{- end -}}

{{- define "rolegate.container" -}}
name: rolegate
image: {{ include "rolegate.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args: ["run", "--config", "/etc/rolegate/rolegate.toml"]
{{- if or .pause .Values.env }}
env:
  {{- if .pause }}
  # Told to stop, it is not ready any more, and serves on until nobody sends new connections here.
  - name: ROLEGATE_LIMITS__DRAIN_DELAY
    value: {{ printf "%ds" .pause | quote }}
  {{- end }}
  {{- with .Values.env }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
ports:
  - name: http
    containerPort: 4180
  - name: admin
    containerPort: 4181
livenessProbe:
  httpGet:
    path: /livez
    port: admin
  periodSeconds: 10
  timeoutSeconds: 3
# Not ready until the pool has answered once: meanwhile no traffic comes, and nothing protected is served.
readinessProbe:
  httpGet:
    path: /readyz
    port: admin
  periodSeconds: 5
  timeoutSeconds: 3
{{- with .Values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- include "rolegate.securityContext" . | nindent 2 }}
volumeMounts:
  # Folders, not single files (subPath): only folders follow a change of the ConfigMap or the Secret.
  - name: rolegate-config
    mountPath: /etc/rolegate
    readOnly: true
  - name: rolegate-secrets
    mountPath: /run/secrets/rolegate
    readOnly: true
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}
