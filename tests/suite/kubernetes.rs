//! `deploy/helm` and `deploy/kubernetes`: everything that is rendered from them, held against Kubernetes' schemas and
//! its strictest standard for pods, and against the gate itself.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use crate::support::wire::Wire;
use crate::support::world::World;
use rendered::{Rendered, all, chart, helm, root, said, template, values};

pub(crate) mod rendered;

/// Where the manifests put the secrets.
const SECRETS: &str = "/run/secrets/rolegate";

#[test]
fn everything_that_is_rendered_is_valid_against_the_schemas() {
    let rendered = all();
    assert_eq!(rendered.problems, "", "documents.py and custom.mjs say what is wrong");
    let kinds: BTreeSet<&str> =
        rendered.of.iter().flat_map(|one| &one.documents).map(|of| text(of, "/kind")).collect();
    let expected = [
        "ConfigMap",
        "Deployment",
        "HTTPRoute",
        "HorizontalPodAutoscaler",
        "Ingress",
        "Namespace",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Service",
        "ServiceAccount",
        "ServiceMonitor",
    ];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), expected, "each was there to be looked at");
}

#[test]
fn helm_finds_nothing_to_complain_of_in_the_chart() {
    for values in values() {
        let output = helm(&["lint", "--strict", "--quiet", &chart(), "-f", values.to_str().unwrap()]);
        assert!(output.status.success(), "{}: {}", values.display(), said(&output));
    }
}

#[test]
fn a_value_that_is_spelt_wrong_or_missing_is_an_error() {
    let small = root().join("tests/fixtures/helm/small.yaml");
    let small = small.to_str().unwrap();
    for (wrong, word) in [
        ("replica=3", "replica"),
        ("app.container=x", "container"),
        ("config=", "config"),
        ("image.repository=", "repository"),
        ("httpRoute.enabled=true", "parentRefs"),
        ("ingress.enabled=true", "hosts"),
        ("config=a", "not TOML"),
        ("app.containers[0].name=app,app.containers[0].image=app", "leads out of it"),
        (
            "config=upstream = \"app\"\n[[upstreams]]\nname = \"app\"\naddresses = [\"http://127.0.0.1:1\"\\, \"http://app:1\"],\
             app.containers[0].name=app,app.containers[0].image=app",
            "\"http://app:1\" in the configuration leads out of it",
        ),
        (
            "config=upstream = \"h2c://127.0.0.1.example.com:1\",app.containers[0].name=app,app.containers[0].image=app",
            "leads out of it",
        ),
        ("stop.drain=10", "30000 ms together, and stop.pause and stop.drain are 20 seconds"),
        ("env[0].name=ROLEGATE_LIMITS__DRAIN,env[0].value=1m", "limits.drain (1m)"),
        ("env[0].name=ROLEGATE_LIMITS__DRAIN,env[0].value=2m30s", "160000 ms"),
        ("env[0].name=ROLEGATE_LIMITS__DRAIN,env[0].value=40000ms", "limits.drain (40000ms)"),
        ("env[0].name=ROLEGATE_LIMITS__DRAIN_DELAY,env[0].value=11s", "limits.drain_delay (11s)"),
        ("env[0].name=ROLEGATE_LIMITS__DRAIN,env[0].value=soon", "no duration"),
        ("env[0].name=ROLEGATE_LIMITS__DRAIN", "can be read here"),
        ("config=[limits]\ndrain = \"1h\"", "limits.drain (1h)"),
        ("config=[tls]\ncert_file = \"a\"", "service.port"),
        ("extraVolumeMounts[0].name=a", "mountPath"),
        ("serviceMonitor.enabled=true", "networkPolicy.monitoring"),
    ] {
        let output = helm(&["template", "gate", &chart(), "-f", small, "--set", wrong]);
        assert!(!output.status.success() && said(&output).contains(word), "{wrong}: {}", said(&output));
    }
}

#[test]
fn beside_an_application_the_upstream_may_have_a_name_or_speak_http2() {
    let small = root().join("tests/fixtures/helm/small.yaml");
    let small = small.to_str().unwrap();
    for configuration in [
        "upstream = \"app\"\n[[upstreams]]\nname = \"other\"\naddresses = [\"http://other:1\"]\n\
         [[upstreams]]\nname = \"app\"\naddresses = [\"http://127.0.0.1:8080\"\\, \"unix:/run/app.sock\"]",
        "upstream = \"h2c://127.0.0.1:50051\"",
        "upstream = \"h2://localhost:50051\"",
        "upstream = \"https://[::1]:8443\"",
        "upstream = \"http://localhost\"",
    ] {
        let values = format!("config={configuration},app.containers[0].name=app,app.containers[0].image=app");
        let output = helm(&["template", "gate", &chart(), "-f", small, "--set", &values]);
        assert!(output.status.success(), "{configuration}: {}", said(&output));
    }
}

#[test]
fn the_chart_is_of_this_version_and_asks_for_an_image_of_it() {
    let version = env!("CARGO_PKG_VERSION");
    let chart = std::fs::read_to_string(root().join("deploy/helm/rolegate/Chart.yaml")).unwrap();
    for line in [format!("version: {version}"), format!("appVersion: {version}")] {
        assert!(chart.lines().any(|known| known == line), "{line} in {chart}");
    }
    for one in all().of.iter().filter(|one| one.name.contains("examples") || one.name.contains("small")) {
        let image = text(one.gate(), "/image").to_owned();
        assert!(image.ends_with(&format!(":{version}")), "{}: {image}", one.name);
    }
}

#[test]
fn the_gate_accepts_every_configuration_that_is_rendered() {
    let folder = tempfile::tempdir().unwrap();
    let secret = |name: &str, content: &[u8]| std::fs::write(folder.path().join(name), content).unwrap();
    let key = Command::new(env!("CARGO_BIN_EXE_rolegate")).arg("secret").output().unwrap();
    secret("session-keys", &key.stdout);
    secret("client-secret", b"a-client-secret\n");
    secret("assertion-key", assertion_key().as_bytes());
    for one in &all().of {
        let mounted = one.configuration().replace(SECRETS, folder.path().to_str().unwrap());
        let file = folder.path().join("rolegate.toml");
        std::fs::write(&file, mounted).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_rolegate"))
            .args(["check", "--config", file.to_str().unwrap()])
            .env_clear()
            // As in the image, and what Kubernetes sets for a Service `rolegate` where service links are on.
            .env("ROLEGATE_LISTEN", "0.0.0.0:4180")
            .env("ROLEGATE_ADMIN_LISTEN", "0.0.0.0:4181")
            .env("ROLEGATE_PORT", "tcp://10.0.0.1:80")
            .env("ROLEGATE_SERVICE_HOST", "10.0.0.1")
            .envs(one.variables())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}: {}", one.name, said(&output));
    }
}

#[test]
fn every_secret_that_a_configuration_names_is_a_file_of_the_secret_that_is_mounted_there() {
    for one in &all().of {
        let gate = one.gate();
        let mount = |path: &str| {
            let mounts = list(gate, "/volumeMounts").iter();
            mounts.filter(|of| text(of, "/mountPath") == path).collect::<Vec<_>>()
        };
        for path in [SECRETS, "/etc/rolegate"] {
            let found = mount(path);
            assert_eq!(found.len(), 1, "{}: {path}", one.name);
            assert_eq!(found[0]["readOnly"], true, "{}: {path}", one.name);
        }
        let configuration: toml_edit::DocumentMut = one.configuration().parse().unwrap();
        let mut files = Vec::new();
        for table in ["cognito", "session", "assertion"] {
            let keys = configuration.get(table).and_then(|item| item.as_table()).into_iter().flatten();
            files.extend(
                keys.filter(|(key, _)| key.ends_with("_file"))
                    .filter_map(|(_, file)| file.as_str().map(String::from)),
            );
        }
        assert!(files.len() >= 2 && files.iter().all(|file| file.starts_with(SECRETS)), "{files:?}");
        assert!(!one.configuration().contains("client_secret ="), "{}", one.name);
        let variables = list(gate, "/env").iter().map(|of| text(of, "/name"));
        assert_eq!(variables.filter(|name| name.contains("SECRET")).count(), 0, "{}", one.name);
    }
}

#[test]
fn no_pod_asks_for_more_than_the_strictest_standard_allows() {
    for one in &all().of {
        let pod = one.pod();
        let name = &one.name;
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{name}");
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{name}");
        assert_ne!(pod["securityContext"]["runAsUser"], 0, "{name}");
        for shared in ["hostNetwork", "hostPID", "hostIPC"] {
            assert_eq!(pod[shared], Value::Null, "{name}: {shared}");
        }
        for volume in list(pod, "/volumes") {
            let harmless = ["configMap", "secret", "emptyDir", "projected"]
                .iter()
                .any(|kind| volume.get(kind).is_some());
            assert!(harmless, "{name}: {volume}");
        }
        for container in one.containers() {
            let rights = &container["securityContext"];
            let name = format!("{name}: {}", text(container, "/name"));
            assert_eq!(rights["allowPrivilegeEscalation"], false, "{name}");
            assert_eq!(rights["readOnlyRootFilesystem"], true, "{name}");
            assert_eq!(rights["capabilities"], serde_json::json!({ "drop": ["ALL"] }), "{name}");
            assert_ne!(rights["runAsUser"], 0, "{name}");
            for more in ["privileged", "procMount", "seccompProfile", "runAsNonRoot"] {
                assert_eq!(rights[more], Value::Null, "{name}: {more}");
            }
            assert!(list(container, "/ports").iter().all(|port| port.get("hostPort").is_none()), "{name}");
        }
        assert_eq!(pod["enableServiceLinks"], false, "{name}: no variables of other Services");
        assert_eq!(
            pod["automountServiceAccountToken"], false,
            "{name}: the gate does not talk to Kubernetes"
        );
    }
}

#[test]
fn the_node_asks_the_admin_port_and_the_people_the_other_one() {
    for one in &all().of {
        let gate = one.gate();
        let port = |name: &str| {
            list(gate, "/ports").iter().find(|port| text(port, "/name") == name).unwrap()["containerPort"]
                .clone()
        };
        assert_eq!((port("http"), port("admin")), (4180.into(), 4181.into()), "{}", one.name);
        for (probe, path) in [("livenessProbe", "/livez"), ("readinessProbe", "/readyz")] {
            let get = &gate[probe]["httpGet"];
            assert_eq!((text(get, "/path"), text(get, "/port")), (path, "admin"), "{}", one.name);
        }
        for service in one.kind("Service").filter(|service| text(service, "/spec/clusterIP") != "None") {
            let ports: Vec<_> =
                list(service, "/spec/ports").iter().map(|of| text(of, "/targetPort")).collect();
            assert_eq!(ports, ["http"], "{}: the admin port is not published", one.name);
        }
    }
}

#[test]
fn a_stop_has_time_for_the_pause_and_for_what_is_open() {
    for one in &all().of {
        let name = &one.name;
        let seconds = |container: &Value| {
            container.pointer("/lifecycle/preStop/sleep/seconds").and_then(Value::as_u64).unwrap_or(0)
        };
        let grace = one.pod()["terminationGracePeriodSeconds"].as_u64().unwrap();
        // It knows that it is leaving only when it is told: nobody sleeps in front of that.
        assert_eq!(seconds(one.gate()), 0, "{name}");
        let gate = one.delay();
        let apps: Vec<u64> = one.apps().map(seconds).collect();
        let drain = one.drain();
        let last = apps.iter().copied().max().unwrap_or(gate);
        if one.is_native() {
            // The gate is stopped when the application has ended: that one waits until nobody sends anything new.
            assert!(gate == 0 && apps.iter().all(|app| *app >= 5), "{name}: {gate}, {apps:?}");
            assert!(grace > last + drain, "{name}: {grace} > {last} + {drain}");
        } else {
            assert!(gate >= 5 || name.contains("bare"), "{name}: {gate}");
            // Both are stopped at once: the application outlives what the gate still sends it.
            assert!(apps.iter().all(|app| *app >= gate + drain), "{name}: {gate} + {drain}, {apps:?}");
            assert!(grace > last.max(gate + drain), "{name}: {grace} > {gate} + {drain}, {apps:?}");
        }
    }
    let small = root().join("tests/fixtures/helm/small.yaml");
    let own = "env[0].name=ROLEGATE_LIMITS__DRAIN_DELAY,env[0].value=2500ms";
    let one = template(&["-f", small.to_str().unwrap(), "--set", own]);
    let variables: Vec<_> = one.variables().collect();
    assert_eq!(variables, [("ROLEGATE_LIMITS__DRAIN_DELAY", "2500ms")], "one's own holds");
}

#[test]
fn a_changed_configuration_reaches_the_gate_without_a_new_pod() {
    for one in &all().of {
        // A file that is mounted alone is never changed, and another name of the ConfigMap is another pod.
        for mount in list(one.gate(), "/volumeMounts") {
            assert_eq!(mount["subPath"], Value::Null, "{}: {mount}", one.name);
        }
        let volume = list(one.pod(), "/volumes").iter().find_map(|of| of.pointer("/configMap/name"));
        let maps: Vec<_> = one.kind("ConfigMap").map(|map| &map["metadata"]["name"]).collect();
        assert_eq!(maps, [volume.unwrap()], "{}", one.name);
    }
    let pod = |changed: &str| {
        let small = root().join("tests/fixtures/helm/small.yaml");
        let one = template(&["-f", small.to_str().unwrap(), "--set", changed]);
        (one.pod().clone(), one.kind("Deployment").next().unwrap()["spec"]["template"]["metadata"].clone())
    };
    assert_eq!(pod("config=a = 1"), pod("config=a = 2"), "the pods are the same, whatever is configured");
}

/// FWD-12.
#[test]
fn an_application_is_reached_through_its_gate_alone() {
    for one in &all().of {
        let name = &one.name;
        let configuration: toml_edit::DocumentMut = one.configuration().parse().unwrap();
        let upstream = url::Url::parse(configuration["upstream"].as_str().unwrap()).unwrap();
        let (host, port) = (upstream.host_str().unwrap(), u64::from(upstream.port().unwrap()));
        let policies: Vec<&Value> = one.kind("NetworkPolicy").collect();
        for policy in &policies {
            assert_eq!(policy["spec"]["policyTypes"], serde_json::json!(["Ingress"]), "{name}");
        }
        let labels = &one.kind("Deployment").next().unwrap()["spec"]["template"]["metadata"]["labels"];
        let of_pods = policies.iter().find(|policy| covers(&policy["spec"]["podSelector"], labels));
        if let Some(policy) = of_pods {
            for rule in list(policy, "/spec/ingress") {
                for open in list(rule, "/ports") {
                    let admin_for_some = open["port"] == 4181 && !list(rule, "/from").is_empty();
                    assert!(open["port"] == 4180 || admin_for_some, "{name}: {rule}");
                }
                assert!(!list(rule, "/ports").is_empty(), "{name}: a rule without ports opens all of them");
            }
        }

        let apps: Vec<&Value> = one.apps().collect();
        if apps.is_empty() {
            // Another pod: only a policy keeps others away from it.
            let of_app = policies.iter().find(|policy| !covers(&policy["spec"]["podSelector"], labels));
            if let Some(policy) = of_app {
                let rules = list(policy, "/spec/ingress");
                assert_eq!(rules.len(), 1, "{name}: {policy}");
                assert_eq!(rules[0]["ports"][0]["port"], port, "{name}: {policy}");
                let from = list(&rules[0], "/from");
                assert!(from.len() == 1 && covers(&from[0]["podSelector"], labels), "{name}: {policy}");
                assert!(from[0].get("namespaceSelector").is_none(), "{name}: {policy}");
                assert!(configuration.contains_key("assertion"), "{name}: the application can tell a bypass");
            } else {
                assert!(
                    ["bare", "small"].iter().any(|few| name.contains(few)),
                    "{name}: no policy for the app"
                );
            }
            continue;
        }
        assert!(of_pods.is_some(), "{name}");
        assert_eq!(host, "127.0.0.1", "{name}");
        let address = Value::from(format!("127.0.0.1:{port}"));
        let told = |app: &&Value| {
            list(app, "/args").contains(&address)
                || list(app, "/env").iter().any(|variable| variable["value"] == address)
        };
        assert_eq!(apps.iter().filter(|app| told(app)).count(), 1, "{name}: bound to the pod's loopback");
        assert!(apps.iter().all(|app| app.get("ports").is_none()), "{name}");
    }
    let protected = all().of.iter().filter(|one| one.kind("NetworkPolicy").count() == 2);
    assert_eq!(
        protected.map(|one| &*one.name).collect::<Vec<_>>(),
        ["full", "kubernetes/examples/standalone", "kubernetes/standalone"]
    );
}

/// The same from a browser whose page's name was made to lead to the admin port.
#[test]
fn a_page_that_leads_its_own_name_to_the_admin_port_reads_nothing() {
    let world = World::bench();
    let ask = |host: &str| {
        let mut wire = Wire::connect(world.gate.admin);
        wire.write(format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes());
        wire.answer(false).unwrap()
    };
    let refused = ask("evil.example:4181");
    assert_eq!(refused.status, 421, "{refused:#?}");
    assert!(!refused.text().contains("rolegate_"), "{refused:#?}");
    for own in ["10.0.0.7:4181", "rolegate-admin.app.svc:4181", "gate:4181"] {
        assert_eq!(ask(own).status, 200, "{own}");
    }
}

/// Whether a selector of labels is about pods with these.
fn covers(selector: &Value, labels: &Value) -> bool {
    let wanted = selector["matchLabels"].as_object().unwrap();
    wanted.iter().all(|(name, value)| labels.get(name) == Some(value))
}

fn assertion_key() -> String {
    let output = Command::new("openssl")
        .args(["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn text<'a>(of: &'a Value, pointer: &str) -> &'a str {
    of.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(of: &'a Value, pointer: &str) -> &'a [Value] {
    of.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

// === impl Rendered ===

impl Rendered {
    /// The documents of one kind.
    fn kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.documents.iter().filter(move |document| document["kind"] == kind)
    }

    /// What the one Deployment makes.
    fn pod(&self) -> &Value {
        &self.kind("Deployment").next().unwrap()["spec"]["template"]["spec"]
    }

    fn containers(&self) -> impl Iterator<Item = &Value> {
        list(self.pod(), "/initContainers").iter().chain(list(self.pod(), "/containers"))
    }

    fn gate(&self) -> &Value {
        self.containers().find(|container| container["name"] == "rolegate").unwrap()
    }

    /// Its neighbours.
    fn apps(&self) -> impl Iterator<Item = &Value> {
        list(self.pod(), "/containers").iter().filter(|container| container["name"] != "rolegate")
    }

    fn is_native(&self) -> bool {
        let native = list(self.pod(), "/initContainers");
        assert!(native.iter().all(|container| container["restartPolicy"] == "Always"), "{}", self.name);
        !native.is_empty()
    }

    fn configuration(&self) -> &str {
        self.kind("ConfigMap").next().unwrap()["data"]["rolegate.toml"].as_str().unwrap()
    }

    /// The gate's.
    fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        list(self.gate(), "/env").iter().map(|of| (text(of, "/name"), text(of, "/value")))
    }

    /// In seconds, from SIGTERM to the end of new connections.
    fn delay(&self) -> u64 {
        let written = self.variables().find(|(name, _)| *name == "ROLEGATE_LIMITS__DRAIN_DELAY");
        written.map_or(0, |(_, written)| written.trim_end_matches('s').parse().unwrap())
    }

    /// In seconds.
    fn drain(&self) -> u64 {
        let configuration: toml_edit::DocumentMut = self.configuration().parse().unwrap();
        let written = configuration.get("limits").and_then(|limits| limits.get("drain")?.as_str());
        written.map_or(20, |written| written.trim_end_matches('s').parse().unwrap())
    }
}
