"""YAML as JSON: the documents of each file that is named, in one object by the files' names.

With --validate, each document of Kubernetes' own is first held against the schemas of the oldest Kubernetes that
deploy/ asks for and of the newest that is known here; what is unknown to a schema is wrong. Custom kinds are
custom.mjs's part.
"""

import json
import sys

import yaml

VERSIONS = ["1.30", "1.37"]
# Kinds of others: not in Kubernetes' schemas.
CUSTOM = ("monitoring.coreos.com/", "gateway.networking.k8s.io/")


def problems(name, document):
    import kubernetes_validate

    if document["apiVersion"].startswith(CUSTOM):
        return
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except Exception as error:
            kind, of = document["kind"], document["metadata"]["name"]
            yield f"{name}: {kind} {of}, Kubernetes {version}: {getattr(error, 'message', error)}"


def main(arguments):
    validate = arguments[:1] == ["--validate"]
    names = arguments[1:] if validate else arguments
    wrong, found = [], {}
    for name in names:
        with open(name, encoding="utf-8") as file:
            found[name] = [document for document in yaml.safe_load_all(file) if document is not None]
        if validate:
            for document in found[name]:
                wrong += problems(name, document)
    json.dump(found, sys.stdout)
    print("\n".join(wrong), file=sys.stderr)
    return 1 if wrong else 0


sys.exit(main(sys.argv[1:]))
