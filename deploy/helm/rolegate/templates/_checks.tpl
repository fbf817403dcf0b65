{{- /* What values and configuration say of one another: wrong here is better than wrong in the cluster. */ -}}
{{- define "rolegate.checks" -}}
{{- $toml := fromToml .Values.config -}}
{{- with $toml.Error -}}
{{- fail (printf "config is not TOML: %s" .) -}}
{{- end -}}
{{- if and .Values.app.containers $toml.upstream -}}
{{- range include "rolegate.addresses" $toml | fromJsonArray -}}
{{- if not (regexMatch "^((https?|h2c?)://(127\\.[0-9.]+|localhost|\\[::1\\])([:/]|$)|unix:)" .) -}}
{{- fail (printf "app.containers share the gate's pod, and upstream = %q in the configuration leads out of it: write http://127.0.0.1:PORT" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $native := and .Values.app.containers .Values.app.nativeSidecar -}}
{{- $delay := include "rolegate.limit" (dict "Values" .Values "name" "drain_delay") -}}
{{- $delay = default (ternary "0s" (printf "%ds" (int .Values.stop.pause)) (not (empty $native))) $delay -}}
{{- $drain := default "20s" (include "rolegate.limit" (dict "Values" .Values "name" "drain")) -}}
{{- $needed := 0 -}}
{{- range $name, $text := dict "drain_delay" $delay "drain" $drain -}}
{{- $needed = add $needed (include "rolegate.milliseconds" (dict "name" $name "text" $text) | atoi) -}}
{{- end -}}
{{- $there := add (ternary 0 (int .Values.stop.pause) (not (empty $native))) (int .Values.stop.drain) -}}
{{- if gt $needed (mul 1000 $there) -}}
{{- $values := ternary "stop.drain is" "stop.pause and stop.drain are" (not (empty $native)) -}}
{{- fail (printf "limits.drain_delay (%s) and limits.drain (%s) are %d ms together, and %s %d seconds: the pod would be killed in the middle of it" $delay $drain $needed $values $there) -}}
{{- end -}}
{{- if and $toml.tls (eq (int .Values.service.port) 80) -}}
{{- fail "the configuration has [tls], and service.port is 80: write 443, or a port that nobody takes for plain HTTP" -}}
{{- end -}}
{{- if and .Values.serviceMonitor.enabled .Values.networkPolicy.enabled (not .Values.networkPolicy.monitoring) -}}
{{- fail "serviceMonitor.enabled: say in networkPolicy.monitoring who may scrape, nobody can as it is" -}}
{{- end -}}
{{- end -}}

{{- /* Where `upstream` leads, as JSON: itself, or the addresses of the [[upstreams]] of that name, which has no colon. */ -}}
{{- define "rolegate.addresses" -}}
{{- $upstream := .upstream -}}
{{- $addresses := list $upstream -}}
{{- if not (contains ":" $upstream) -}}
{{- range .upstreams -}}
{{- if eq (toString .name) $upstream -}}
{{- $addresses = .addresses -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $addresses -}}
{{- end -}}

{{- /* What [limits] says of a stop, as text: a variable of the gate wins over the configuration. Nothing: neither does. */ -}}
{{- define "rolegate.limit" -}}
{{- $variable := printf "ROLEGATE_LIMITS__%s" (upper .name) -}}
{{- $text := toString (default "" (get (default dict (fromToml .Values.config).limits) .name)) -}}
{{- range .Values.env -}}
{{- if eq .name $variable -}}
{{- if not .value -}}
{{- fail (printf "env: %s needs a value that can be read here" $variable) -}}
{{- end -}}
{{- $text = toString .value -}}
{{- end -}}
{{- end -}}
{{- trim $text -}}
{{- end -}}

{{- /* Durations as the gate reads them. */ -}}
{{- define "rolegate.milliseconds" -}}
{{- $sum := 0 -}}
{{- if ne .text "off" -}}
{{- if not (regexMatch "^([0-9]{1,9}(ms|s|m|h|d))+$" .text) -}}
{{- fail (printf "limits.%s is %q, which is no duration: write a number and a unit (ms, s, m, h, d)" .name .text) -}}
{{- end -}}
{{- range regexFindAll "[0-9]+[a-z]+" .text -1 -}}
{{- $unit := get (dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 "d" 86400000) (regexFind "[a-z]+" .) -}}
{{- $sum = add $sum (mul (regexFind "[0-9]+" . | atoi) $unit) -}}
{{- end -}}
{{- end -}}
{{- $sum -}}
{{- end -}}
