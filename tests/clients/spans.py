"""Reads what a gate sent to its collector: base64 of an ExportTraceServiceRequest a line, and says it as JSON, by the
classes that OpenTelemetry itself generates from its protocol."""

import base64
import json
import sys

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status


def attributes(found):
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in found}


def span(found, resource, scope):
    return {
        "trace": found.trace_id.hex(),
        "id": found.span_id.hex(),
        "parent": found.parent_span_id.hex(),
        "state": found.trace_state,
        "name": found.name,
        "kind": Span.SpanKind.Name(found.kind).removeprefix("SPAN_KIND_").lower(),
        "begun": found.start_time_unix_nano,
        "ended": found.end_time_unix_nano,
        "failed": found.status.code == Status.STATUS_CODE_ERROR,
        "remote": bool(found.flags & 0x200),
        "attributes": attributes(found.attributes),
        "resource": resource,
        "scope": scope,
    }


for line in sys.stdin:
    message = ExportTraceServiceRequest()
    message.ParseFromString(base64.b64decode(line))
    # A field that the protocol does not have would be kept aside, and written again.
    message.DiscardUnknownFields()
    known = message.SerializeToString(deterministic=True)
    spans = [
        span(found, attributes(resource.resource.attributes), scope.scope.name)
        for resource in message.resource_spans
        for scope in resource.scope_spans
        for found in scope.spans
    ]
    print(json.dumps({"spans": spans, "all_known": len(known) == len(base64.b64decode(line))}), flush=True)
