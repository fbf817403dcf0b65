{{- /* What values and configuration say of one another: wrong here is better than wrong in the cluster. */ -}}
{{- define "rolegate.checks" -}}
{{- $toml := fromToml .Values.config -}}
{{- with $toml.Error -}}
{{- fail (printf "config is not TOML: %s" .) -}}
{{- end -}}
{{- with $toml.upstream -}}
{{- if and $.Values.app.containers (not (regexMatch "^(https?://(127\\.|localhost[:/]|\\[::1\\])|unix:)" .)) -}}
{{- fail (printf "app.containers share the gate's pod, and upstream = %q in the configuration leads out of it: write http://127.0.0.1:PORT" .) -}}
{{- end -}}
{{- end -}}
{{- $limits := default dict $toml.limits -}}
{{- $sum := 0 -}}
{{- range list (default "20s" $limits.drain) (default "0s" $limits.drain_delay) -}}
{{- if regexMatch "^[0-9]+s$" . -}}
{{- $sum = add $sum (trimSuffix "s" . | int) -}}
{{- end -}}
{{- end -}}
{{- if gt (int $sum) (int .Values.stop.drain) -}}
{{- fail (printf "stop.drain is %d seconds, and limits.drain in the configuration %d: the pod would be killed in the middle of it" (int .Values.stop.drain) $sum) -}}
{{- end -}}
{{- if and .Values.serviceMonitor.enabled .Values.networkPolicy.enabled (not .Values.networkPolicy.monitoring) -}}
{{- fail "serviceMonitor.enabled: say in networkPolicy.monitoring who may scrape, nobody can as it is" -}}
{{- end -}}
{{- end -}}
