"""`python -m demo.alibaba --port 0 --queue approvals flow.yaml`: one account, until interrupted."""

import argparse
import json
import os
from pathlib import Path

import yaml

from demo.alibaba import flows
from demo.alibaba.server import Alibaba
from demo.alibaba.signatures import Key

# The account's key, from whoever needs the same one each time; else it is made up.
KEY_ID, SECRET = "DEMO_ALIBABA_KEY_ID", "DEMO_ALIBABA_SECRET"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demo.alibaba", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--queue", action="append", default=[], help="create it; repeatable")
    parser.add_argument("flows", nargs="*", type=Path, help="definitions of flows")
    options = parser.parse_args()
    given = Key(os.environ.get(KEY_ID, ""), os.environ.get(SECRET, ""))
    account = Alibaba(options.port, given if given.id and given.secret else None)
    for name in options.queue:
        account.queues.create(name)
    for path in options.flows:
        account.cloudflow.add_flow(flows.read(yaml.safe_load(path.read_text()), path.stem))
    told = {"url": account.url}
    if account.key is not given:  # good for this process alone
        told |= {"key_id": account.key.id, "secret": account.key.secret}
    print(json.dumps(told), flush=True)
    account.serve_forever()


if __name__ == "__main__":
    main()
