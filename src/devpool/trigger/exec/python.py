# Runs the handler of a Lambda function's file once: its event on standard input, the answer on standard output.
import importlib.util
import json
import os
import sys
import time
import traceback
import uuid

answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
path = sys.argv[1]


class Context:
    function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
    function_version = "$LATEST"
    memory_limit_in_mb = "128"
    aws_request_id = str(uuid.uuid4())
    began = time.monotonic()

    def get_remaining_time_in_millis(self):
        return max(0, int(5000 - (time.monotonic() - self.began) * 1000))


try:
    event = json.loads(sys.stdin.buffer.read())
    sys.path.insert(0, os.path.dirname(path))
    name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    handler = getattr(module, "lambda_handler", None) or getattr(module, "handler", None)
    if handler is None:
        raise AttributeError(f"Handler 'lambda_handler' missing on module '{name}'")
    printed = json.dumps({"value": handler(event, Context())})
except Exception as error:
    traceback.print_exc()
    printed = json.dumps({"error": str(error)})
answers.write(printed + "\n")
answers.flush()
