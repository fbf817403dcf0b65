"""Autobahn's WebSocket cases, by the runner kosoku: what became of each, as JSON, one line a case.

websocket-cases.py ADDRESS SIDE_BY_SIDE CASE[,CASE...], where a case is an id or a pattern ("1.*"). Whether a verdict is
a good one is for who asked to say.
"""

import asyncio
import json
import os
import sys
import threading

from kosoku import FailureError, run_fuzzingclient


async def main(address, side_by_side, wanted):
    try:
        results = await run_fuzzingclient(
            f"ws://{address}",
            wanted.split(","),
            concurrency=int(side_by_side),
        )
    except FailureError as failure:
        results = failure.results
    watch.cancel()
    for result in results:
        told = {
            "case": result.case_id,
            "behavior": result.behavior.value,
            "close": result.behavior_close.value,
            "close_result": result.result_close,
            "code": result.remote_close_code,
            "reason": result.remote_close_reason,
            "clean": result.was_clean,
            "closed_by_me": result.closed_by_me,
            "failed_by_me": result.failed_by_me,
            "received_frames": {str(opcode): count for opcode, count in result.rx_frame_stats.items()},
            "received": repr(result.received)[:4000],
        }
        print("case " + json.dumps(told, sort_keys=True))
    print(f"ran {len(results)}")


# Cases that hear nothing wait for minutes each.
watch = threading.Timer(int(os.environ.get("AT_MOST", 600)), lambda: os._exit(3))
watch.daemon = True
watch.start()
asyncio.run(main(*sys.argv[1:]))
